"""The workbench: pages for people, rendered here; they load nothing from elsewhere.

To add a page:

- Write a module beside this one, with `router = page_router(prefix=f"{WORKBENCH}/things")`
  (`api.pages.route`), add its router to `api.pages.site.ROUTERS` and, if the navigation shall name
  it, a `Place` with the scope that it needs to `api.pages.navigation.NAVIGATION`.
- A route is a plain function that runs in one transaction, as all of the API's do
  (`api.routing.transaction_route`), and takes the same: `Tenant` or `Reader`, `Submitter`, `Admin`
  as caller, who signed in with a key that has that scope, `SessionNow`, `ServicesNow`, `Cursor`.
  It calls the functions that the API's routes call, never the API.
- `page: PageNow` is what it answers with: `page.show("things.html", things=…)` renders a template
  of `templates/`, which extends `base.html`, fills its blocks `title` and `main`, and takes
  `badge`, `pager`, `progress` and `csrf` from `macros.html`. Values are escaped. Filters:
  `moment`, `duration`, `size`, `number`.
- A form is `<form method="post">` with `{{ csrf(page) }}` in it, and works without a script. Its
  route takes `Annotated[str, Form()]` values, does it, and answers with
  `page.go(f"{WORKBENCH}/things", "The thing was renamed.")`: the next page shows that once. Where
  a value is bad, either raise a `PackshotError`, which becomes a page with its sentence and
  undoes the transaction, or call `session.rollback()` and show the form again with what was
  typed: `page.show(…, status=422, error=error.detail)`. A body has 1 MiB at most; a page that
  takes files says so in `api.middleware.body_limit`.
- Lists are paged: `cursor: Cursor = None` in the route, `{{ pager(page, things.next) }}` in the
  template. A query parameter that the route does not name is refused.
- htmx is there for what moves: `hx-get` of a route that shows a fragment (`page.is_fragment` tells
  who asks), `hx-post` with the form's own fields. Without it the same page works by its links
  and forms. An error takes the place of `#messages` by itself; a session that ended leads to where
  one signs in, and back. No `style` and no `on…` attribute and no inline script: the browser
  refuses them (Content-Security-Policy). Style is in `static/workbench.css`, scripts in
  `static/workbench.js`; other files of `static/` are linked by `{{ static("name.js") }}`.
- A job's image is `{{ pictures }}/{{ job.id }}/small` or `/whole`.

Pages are not in the OpenAPI document. `/docs` alone is one of its own (`api.pages.docs`).
"""
