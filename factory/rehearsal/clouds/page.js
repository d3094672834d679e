"use strict";

async function ask(method, address, body) {
  const reply = await fetch(address, { method, body });
  const text = await reply.text();
  let found;
  try { found = JSON.parse(text); } catch { found = { reason: text }; }
  return { ok: reply.ok, status: reply.status, found };
}

function tell(place, found, status) {
  place.replaceChildren();
  const head = document.createElement("strong");
  head.textContent = found.problems ? `Refused, ${found.problems.length} reason(s):` : (found.reason || `HTTP ${status}`);
  place.append(head);
  if (!found.problems) return;
  const list = document.createElement("ul");
  for (const problem of found.problems) {
    const line = document.createElement("li");
    const where = [problem.row ? `row ${problem.row}` : "", problem.column].filter(Boolean).join(", ");
    line.textContent = where ? `${where}: ${problem.reason}` : problem.reason;
    list.append(line);
  }
  place.append(list);
}

async function settle(work, place, button) {
  button.disabled = true;
  try {
    const { ok, found, status } = await work();
    if (ok) { location.reload(); return; }
    tell(place, found, status);
  } catch (error) {
    tell(place, { reason: `the rehearsal does not answer: ${error.message}` });
  }
  button.disabled = false;
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  form.addEventListener("submit", event => {
    event.preventDefault();
    const asked = new URLSearchParams({ product: form.elements.product.value, name: form.elements.name.value });
    const file = form.elements.file.files[0];
    settle(() => ask("POST", `${form.dataset.upload}?${asked}`, file), form.querySelector(".problems"), form.querySelector("button"));
  });
}

for (const form of document.querySelectorAll("form[data-create]")) {
  form.addEventListener("submit", event => {
    event.preventDefault();
    const services = [...form.querySelectorAll("input[name=service]:checked")].map(one => JSON.parse(one.value));
    const body = JSON.stringify({ name: form.elements.name.value, services });
    settle(() => ask("POST", form.dataset.create, body), form.querySelector(".problems"), form.querySelector("button"));
  });
}

for (const card of document.querySelectorAll("[data-registration]")) {
  const place = card.querySelector(".problems");
  const publish = card.querySelector("button[data-publish]");
  const confirmed = card.querySelector("input[type=checkbox]");
  if (publish) {
    confirmed.addEventListener("change", () => { publish.disabled = !confirmed.checked; });
    publish.disabled = !confirmed.checked;
    publish.addEventListener("click", () => settle(
      () => ask("POST", `${card.dataset.registration}/publish`, JSON.stringify({ confirm: confirmed.checked })), place, publish));
  }
  const remove = card.querySelector("button[data-delete]");
  remove.addEventListener("click", () => {
    if (window.confirm("Delete this registration and its devices?")) settle(() => ask("DELETE", card.dataset.registration), place, remove);
  });
}

if (document.querySelector(".chip.publishing")) setTimeout(() => location.reload(), 2000);
