// Review by keyboard; without it the boxes and buttons of the form do the same.
"use strict";

const form = document.getElementById("review");
const boxes = form ? [...form.querySelectorAll('input[name="chosen"]')] : [];
const done = [];

function at() {
  const card = document.activeElement?.closest("[data-job]");
  return boxes.findIndex((box) => box.closest("[data-job]") === card);
}

function move(by) {
  const next = boxes[Math.min(Math.max(at() + by, 0), boxes.length - 1)];
  next?.focus();
  next?.closest("[data-job]").scrollIntoView({ block: "nearest" });
}

function columns() {
  const card = (box) => box.closest("[data-job]").getBoundingClientRect();
  const { top } = card(boxes[Math.max(at(), 0)]);
  const inRow = boxes.filter((box) => card(box).top === top).length;
  return inRow || 1;
}

const stateOf = (box) => box.closest("[data-job]").querySelector(".badge").textContent;

function set(box, state) {
  const [job, version] = box.value.split(" ");
  const next = `${job} ${Number(version) + 1}`;
  for (const button of form.querySelectorAll("button[name=picked]")) button.value = button.value.replace(box.value, next);
  const badge = box.closest("[data-job]").querySelector(".badge");
  box.value = next;
  box.checked = false;
  badge.className = `badge ${state}`;
  badge.textContent = state;
}

// What the page says of where it is goes along; the answer says when that was said.
async function send(path, fields) {
  const body = new URLSearchParams(fields);
  for (const name of ["csrf", "show", "sku", "cursor"]) body.set(name, form.elements[name].value);
  const answer = await fetch(path, { method: "POST", body, headers: { "HX-Request": "true" } });
  const next = answer.headers.get("HX-Redirect") || "";
  if (next.includes("/sign-in")) { keep(form); window.location.assign(next); return null; }
  if (!answer.ok) { say(await asText(answer)); return null; }
  return new URL(next, window.location).searchParams.get("undo") || "";
}

async function asText(answer) {
  const text = new DOMParser().parseFromString(await answer.text(), "text/html").body.textContent.trim();
  return `${text} Load the page again to see what others said.`;
}

async function judge(path, fields, changes) {
  const before = changes.map(([box]) => [box, stateOf(box)]);
  const saidAt = await send(path, fields);
  if (saidAt === null) return false;
  for (const [box, state] of changes) set(box, state);
  if (saidAt) done.push([saidAt, before]);
  return true;
}

async function judgeChosen(state) {
  const marked = boxes.filter((box) => box.checked);
  const chosen = marked.length ? marked : boxes.slice(at(), at() + 1).filter(() => at() >= 0);
  const changed = chosen.filter((box) => stateOf(box) !== state);
  if (!changed.length) return;
  const fields = [["state", state], ...changed.map((box) => ["chosen", box.value])];
  if (state === "rejected") fields.push(["reason", form.elements.reason.value]);
  if (await judge(form.action, fields, changed.map((box) => [box, state])) && !marked.length) move(1);
}

async function pick() {
  const card = at() < 0 ? null : boxes[at()].closest("[data-job]");
  const button = card?.querySelector("button[name=picked]");
  if (!button) return;
  const ofRow = boxes.filter((box) => card.parentElement.contains(box));
  const changes = ofRow.map((box) => [box, card.contains(box) ? "approved" : "rejected"]);
  const changed = changes.filter(([box, state]) => stateOf(box) !== state);
  if (!(await judge(button.formAction, [["picked", button.value]], changed))) return;
  const next = boxes[boxes.indexOf(ofRow.at(-1)) + 1];
  next?.focus();
}

async function takeBack() {
  const [saidAt, before] = done.pop() || [];
  if (!saidAt) return;
  if ((await send(`${form.getAttribute("action")}/undo`, [["said_at", saidAt]])) === null) return;
  for (const [box, state] of before) set(box, state);
  before[0]?.[0].focus();
}

function photographs() {
  document.getElementById("images").classList.toggle("beside");
}

async function makeAgain() {
  const button = form.querySelector('button[formaction$="/redo"]');
  const marked = boxes.some((box) => box.checked);
  if (!button || (!marked && at() < 0)) return;
  if (!marked) boxes[at()].checked = true;
  form.requestSubmit(button);
}

document.addEventListener("keydown", (event) => {
  if (!boxes.length || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches('input:not([type="checkbox"]), textarea, select')) return;
  const keys = {
    ArrowRight: () => move(1), ArrowLeft: () => move(-1),
    ArrowDown: () => move(columns()), ArrowUp: () => move(-columns()),
    a: () => judgeChosen("approved"), r: () => judgeChosen("rejected"), p: pick, e: makeAgain,
    b: photographs, z: takeBack,
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
