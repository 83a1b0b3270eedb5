// What pages do beside their links and forms; without it they work all the same.
"use strict";

function localise(root) {
  for (const one of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const moment = new Date(one.dateTime);
    one.dataset.local = "";
    one.title = one.textContent;
    one.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  }
}

function say(text) {
  const messages = document.getElementById("messages");
  const line = document.createElement("p");
  line.className = "message error";
  line.setAttribute("role", "alert");
  line.textContent = text;
  messages.replaceChildren(line);
}

localise(document);
document.addEventListener("htmx:load", (event) => localise(event.detail.elt));
document.addEventListener("htmx:sendError", () => say("The server does not answer. Try again in a moment."));

// A form that asks first: <form data-confirm="Cancel what is not finished?">.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// Live: <div data-events="/path"> listens to server-sent events, and each lets htmx load anew what
// has hx-trigger="news from:body". Where they fail for good, a timer does the same.
for (const one of document.querySelectorAll("[data-events]")) {
  let waiting = false;
  const tell = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; htmx.trigger(document.body, "news"); }, 1500);
  };
  const source = new EventSource(one.dataset.events);
  source.onmessage = tell;
  for (const name of (one.dataset.eventNames || "").split(" ").filter(Boolean)) source.addEventListener(name, tell);
  source.addEventListener("end", () => source.close());
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setInterval(tell, 5000);
  };
}
