"use strict";

// Sorting: every heading of a sortable table becomes a button; rows without a value stay last.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.dataset.first ?? "ascending";
      const down = (head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : first === "descending");
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [row.cells[column].dataset.value, row]);
      rows.sort(([a, rowA], [b, rowB]) => {
        if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
        const order = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
        return down ? -order : order;
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}

// Choosing: one example of a task at a time, and the strategies that are checked.
const choice = document.querySelector("[data-choice]");
if (choice) {
  const strategies = choice.querySelector("[data-strategies]");
  const choose = () => {
    const shown = new Set([...strategies.querySelectorAll("input:checked")].map((box) => box.value));
    for (const part of choice.querySelectorAll("[data-strategy]")) part.hidden = !shown.has(part.dataset.strategy);
  };
  strategies.addEventListener("change", choose);
  strategies.hidden = false;
  for (const task of choice.querySelectorAll("[data-task]")) {
    const examples = [...task.querySelectorAll("[data-example]")];
    const pick = task.querySelector("[data-pick]");
    const select = pick.querySelector("select");
    const show = () => examples.forEach((example, index) => (example.hidden = index !== Number(select.value)));
    select.addEventListener("change", show);
    pick.hidden = examples.length < 2;
    show();
  }
}

// Stepping: one position under every strategy at a time; its cells are those of the full tables.
for (const explorer of document.querySelectorAll("[data-example]")) {
  const walks = [...explorer.querySelectorAll("table.walk")];
  const stepper = explorer.querySelector(".stepper");
  const strip = [...stepper.querySelectorAll(".strip li")];
  const [back, on] = stepper.querySelectorAll("button");
  const place = stepper.querySelector("[role=status]");
  const body = stepper.querySelector("tbody");
  let now = 0;

  const show = (position) => {
    now = Math.min(Math.max(position, 0), strip.length - 1);
    strip.forEach((token, t) => (t === now ? token.setAttribute("aria-current", "step") : token.removeAttribute("aria-current")));
    place.textContent = `Position ${now + 1} of ${strip.length}: the true token is ${strip[now].textContent}`;
    back.disabled = now === 0;
    on.disabled = now === strip.length - 1;
    body.replaceChildren(
      ...walks.map((walk) => {
        for (const row of walk.tBodies[0].rows) row.classList.toggle("current", row.sectionRowIndex === now);
        const line = document.createElement("tr");
        line.dataset.strategy = walk.dataset.strategy;
        line.hidden = walk.hidden;
        const name = document.createElement("th");
        name.scope = "row";
        name.textContent = walk.dataset.strategy;
        line.append(name, ...[...walk.tBodies[0].rows[now].cells].slice(2).map((cell) => cell.cloneNode(true)));
        return line;
      }),
    );
  };
  back.addEventListener("click", () => show(now - 1));
  on.addEventListener("click", () => show(now + 1));
  stepper.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: strip.length - 1 };
    if (!(event.key in moves) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    show(moves[event.key]);
    if (document.activeElement.disabled || document.activeElement === document.body) (back.disabled ? on : back).focus();
  });
  stepper.hidden = false;
  show(0);
}

// Print shows what is folded.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});
