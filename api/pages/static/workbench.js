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

// A session may end while somebody writes. What a form held when it was sent is kept in this tab, and
// is there again behind the sign-in. Files are not, nor what is hidden or secret.
const KEPT = "packshot form";
const UNKEPT = ["file", "hidden", "password", "submit", "button"];

function fieldsOf(form) {
  return [...form.elements].filter((one) => one.name && !UNKEPT.includes(one.type) && one.tagName !== "BUTTON");
}

function keep(form) {
  const fields = fieldsOf(form).map((one) => [one.name, one.value, one.checked || false]);
  const path = window.location.pathname;
  sessionStorage.setItem(KEPT, JSON.stringify({ path, action: form.getAttribute("action"), fields }));
}

function bringBack() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) || "null");
  if (window.location.pathname.endsWith("/sign-in")) return;
  sessionStorage.removeItem(KEPT);
  const from = document.referrer && new URL(document.referrer).pathname;
  if (!kept || kept.path !== window.location.pathname || !from.endsWith("/sign-in")) return;
  const form = [...document.forms].find((one) => one.getAttribute("action") === kept.action);
  if (!form) return;
  form.closest("details")?.setAttribute("open", "");
  const left = fieldsOf(form);
  for (const [name, value, checked] of kept.fields) {
    const isBox = (one) => one.type === "checkbox" || one.type === "radio";
    const place = left.findIndex((one) => one.name === name && (!isBox(one) || one.value === value));
    if (place < 0) continue;
    const [field] = left.splice(place, 1);
    if (isBox(field)) field.checked = checked; else field.value = value;
  }
  say("Your session had ended: what you sent was not done. What you wrote is here again; choose files anew, and send it.");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.getAttribute("method") === "post" && !form.querySelector('input[type="password"]')) keep(form);
});
bringBack();

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
