"""The MCP server: tools that submit, follow, show and judge images, and resources to read."""

from mcp.server.mcpserver import MCPServer

from cli.mcp.judging import add_judging
from cli.mcp.packshot_api import PackshotApi
from cli.mcp.reading import add_following, add_looking, add_resources
from cli.mcp.submitting import add_submitting
from core import __version__

INSTRUCTIONS = """\
packshot makes product images. Ask `list_models` what there is. `check_products` says what would \
become of rows before `submit_products` queues them as a batch; `submit_image` asks for a single \
image. Both answer at once: follow them with `batch_status` and `job_status`, whose `wait_seconds` \
waits until they have ended. `list_images` names a batch's images, `show_image` shows one. What is \
wrong comes back as a sentence that says what to do.\
"""


def make_server(api: PackshotApi) -> MCPServer[None]:
    """Make the server.

    Args:
        api: The packshot server that it asks.
    """
    server = MCPServer(
        "packshot",
        version=__version__,
        instructions=INSTRUCTIONS,
        # Standard output is the protocol's.
        log_level="WARNING",
    )
    add_submitting(server, api)
    add_judging(server, api)
    add_following(server, api)
    add_looking(server, api)
    add_resources(server, api)
    return server
