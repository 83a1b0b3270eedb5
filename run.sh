#!/usr/bin/env bash
# Makes .venv from requirements.lock unless it is there, then runs packshot:
#
#   ./run.sh demo          everything on this machine, and a first product sheet
#   ./run.sh --help        all commands
#   ./run.sh test [...]    the tests but the slowest; arguments go to pytest
#   ./run.sh test --all [...]    all tests
#
# It needs Linux (x86-64 or arm64) and Python 3.11 or newer; PYTHON=/path/to/python chooses one.
set -euo pipefail

root=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
venv=$root/.venv
python=$venv/bin/python
lock=$root/requirements.lock
stamp=$venv/packshot-lock
torch=2.13.0

say() { printf 'packshot: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# What the stamp says when .venv is complete. It is written last, so an interrupted installation
# starts over.
wanted() { { echo "torch $torch"; cat -- "$lock"; } | sha256sum; }
is_ready() { [ -x "$python" ] && [ -f "$stamp" ] && [ "$(<"$stamp")" = "$(wanted)" ]; }

# Sets base_python to the first Python that is new enough and can make virtual environments.
find_python() {
  local candidate version problem='' candidates=(python3.13 python3.12 python3.11 python3)
  [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
  for candidate in "${candidates[@]}"; do
    # A name can be on PATH and still not run: a pyenv shim, for example.
    version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
      continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info >= (3, 11))'; then
      problem=${problem:-"$candidate is Python $version, and packshot needs 3.11 or newer.
  Debian, Ubuntu:  sudo apt install python3.11 python3.11-venv
  Fedora, RHEL:    sudo dnf install python3.11
  Then run this again, or choose one: PYTHON=/path/to/python3.11 $0"}
    elif ! "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
      problem="$candidate cannot make virtual environments: its venv module is not installed.
  Debian, Ubuntu:  sudo apt install python$version-venv
  Fedora, RHEL:    sudo dnf install python$version"
    else
      base_python=$candidate
      return
    fi
  done
  fail "${problem:-"no Python found (tried: ${candidates[*]}).
  Debian, Ubuntu:  sudo apt install python3 python3-venv
  Fedora, RHEL:    sudo dnf install python3
  It must be 3.11 or newer; PYTHON=/path/to/python chooses one."}"
}

install() {
  local base_python
  # A complete .venv of an older lock is brought up to date; anything else is made anew.
  if [ -f "$stamp" ] && "$python" -c 'import pip' 2>/dev/null; then
    rm "$stamp"
    say "bringing $venv up to date"
  else
    find_python
    say "installing into $venv (1.8 GB, once; some minutes)"
    "$base_python" -m venv --clear "$venv"
  fi
  { command -v uv >/dev/null && uv_install; } || pip_install
  install_torch
  wanted >"$stamp"
}

# Every version, every file by its hash, and nothing is compiled.
options=(--no-deps --require-hashes --only-binary :all: --requirement "$lock")

uv_install() {
  uv pip install --quiet --python "$python" "${options[@]}" ||
    { say "uv did not manage; trying pip"; false; }
}

pip_install() {
  "$python" -m pip install --quiet "${options[@]}"
}

# Always the CPU build. On Linux that is "+cpu": without it pip takes the CUDA build, which is
# several gigabytes larger. pip goes where it is configured to, then to PyTorch's own index.
install_torch() {
  local wheel=torch==$torch
  [ "$(uname -s)" != Linux ] || wheel+=+cpu
  "$python" -m pip install --quiet --no-deps "$wheel" 2>/dev/null ||
    "$python" -m pip install --quiet --no-deps "$wheel" \
      --extra-index-url https://download.pytorch.org/whl/cpu
}

if ! is_ready; then
  [ -w "$root" ] || fail "cannot write to $root, where .venv belongs"
  exec 9<"$lock"
  flock 9 2>/dev/null || true # a second run waits for the first one
  is_ready || install
  exec 9<&-
fi

export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
export PYTHONSAFEPATH=1 # a folder named "api" where the user stands is not ours
if [ "${1:-}" = test ]; then
  shift
  cd -- "$root"
  [ "${1:-}" = --all ] && shift || set -- -m "not slow" "$@"
  exec "$python" -m pytest "$@"
fi
exec "$python" -m cli "$@"
