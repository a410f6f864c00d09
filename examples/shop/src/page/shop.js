// One press, one call: it gets a key of its own, and is sent again under that key until something is known.
//
// `WORDS` says what each method's answers mean. `send` is the path of a press, `verdict` the table of what an answer
// says about it, `findOut` settles a doubt. `look` asks for the balances each second.
"use strict";

const POLL_MS = 1000;
// Above the 10 s that a call may take, so that the shop gives up before this page does.
const ANSWER_MS = 15000;
const VIEW_MS = 3000;
// Waits between tries double from here to the most: together more than a minute.
const WAIT_MS = 500;
const WAIT_MAX_MS = 5000;
const TRIES_MAX = 16;
const LOG_MAX = 50;

const $ = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));
const money = (cents) => `${Math.floor(cents / 100).toLocaleString("en")}.${String(cents % 100).padStart(2, "0")}`;
const pieces = (n) => (n === 1 ? "1 piece" : `${n.toLocaleString("en")} pieces`);

const WORDS = {
  "Wallet.deposit": {
    ask: (of, a) => `Deposit ${money(a.cents)} into ${of}`,
    done: (free) => `${money(free)} are free now.`,
    failed: (e) => `too much: ${money(e.room)} more would fit.`,
  },
  "Wallet.hold": {
    ask: (of, a) => `Hold ${money(a.cents)} of ${of} as ${a.id}`,
    done: (free, a) => { offer("holds", "Wallet.release Wallet.capture", "id", a.id); next(a.id); return `${money(free)} are still free.`; },
    failed: (e) => `not enough: ${money(e.free)} are free.`,
  },
  "Wallet.release": {
    ask: (of, a) => `Release ${a.id} of ${of}`,
    done: () => "It holds nothing any more.",
  },
  "Wallet.capture": {
    ask: (of, a) => `Capture ${a.id} of ${of}`,
    done: (cents) => `${money(cents)} have left the wallet.`,
    failed: (e) => `there is no hold ${e.id}.`,
  },
  "Stock.restock": {
    ask: (of, a) => `Restock ${pieces(a.n)} of ${of}`,
    done: (free) => `${pieces(free)} free now.`,
    failed: (e) => `too much: room for ${pieces(e.room)}.`,
  },
  "Stock.lease": {
    ask: (of, a) => `Lease ${pieces(a.n)} of ${of}`,
    done: (lease) => { offer("leases", "Stock.give_back Stock.take", "lease", lease); return `It is lease ${lease}.`; },
    failed: (e) => `sold out: ${pieces(e.free)} free.`,
  },
  "Stock.give_back": {
    ask: (of, a) => `Give back lease ${a.lease} of ${of}`,
    done: () => "It is no lease any more.",
  },
  "Stock.take": {
    ask: (of, a) => `Take lease ${a.lease} of ${of}`,
    done: (n) => `${pieces(n)} have left the shop.`,
    failed: (e) => `there is no lease ${e.lease}.`,
  },
  "Payments.charge": {
    ask: (of, a) => `Charge ${money(a.cents)} to card …${a.card.slice(-4)}`,
    done: (charge) => `${money(charge.cents)} charged, as ${charge.id}.`,
    failed: (e) => ({ ByBank: "the bank of the card says no.", NothingToCharge: "there is nothing to charge." })[e] ?? String(e),
  },
};

// A key for each press. What an entity did is recorded under any key. A service keeps no records: there the key is the
// call's own id, so that whoever charges recognises a second try.
const caller = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
let calls = 0;
function freshKey(of) {
  if (of !== "Payments") return crypto.randomUUID();
  calls += 1;
  return `nigh1.${caller}.${calls}.${BigInt(Date.now()) * 1000000n}`;
}

// The answer, or null if there is none: then the call may have run, or may yet.
async function ask(path, options, ms) {
  try {
    const response = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(ms) });
    const body = await response.json();
    return { status: response.status, body, retryAfter: Number(response.headers.get("retry-after")) * 1000 };
  } catch {
    return null;
  }
}

const post = (path, headers, body) =>
  ask(path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) }, ANSWER_MS);

// What an answer says about a press: its end, or `again`. `lost` is true once a try got no answer: from then on a
// plain "not done" speaks of the last try only, and an earlier one may have done it.
function verdict(press, answer) {
  const words = WORDS[press.call];
  if (answer === null) return { again: true, lost: true, text: "no answer" };
  const { status, body, retryAfter } = answer;
  if (status === 200) return { state: "done", text: words.done(body, press.args) };
  const detail = body.detail ?? `status ${status}`;
  switch (body.outcome) {
    case "failed":
      return { state: "failed", text: words.failed ? words.failed(body.error) : detail };
    case "done":
      return { state: "done", text: detail };
    case "overloaded":
      return { again: true, text: "too much to do", after: retryAfter };
    case "not_done":
      if (status === 503 && press.lost) return { again: true, text: "not done this time", after: retryAfter };
      return { state: "not-done", text: detail };
    case "in_doubt":
      if (body.ticket) return { state: "in-doubt", text: detail, ticket: body.ticket, resend: answer.retryAfter > 0 };
      return { again: true, lost: true, text: "still under way", after: retryAfter };
    case "forgotten":
      return { state: "in-doubt", text: detail };
    default:
      return { again: true, lost: true, text: detail, after: retryAfter };
  }
}

async function send(press) {
  show(press, { state: "sending", text: "" });
  for (let tries = 1, wait = WAIT_MS; ; tries += 1, wait = Math.min(2 * wait, WAIT_MAX_MS)) {
    const [of, method] = press.call.split(".");
    const answer = await post(`/api/${of}/${press.key}/${method}`, { "idempotency-key": press.once }, press.args);
    const told = verdict(press, answer);
    press.lost ||= told.lost === true;
    if (!told.again) return end(press, told);
    if (tries === TRIES_MAX) {
      // Every refusal was heard: then no try has run.
      return end(press, { state: press.lost ? "in-doubt" : "not-done", text: `${told.text}, after ${tries} tries.`, resend: true });
    }
    show(press, { state: "sending", text: `${told.text}; sending again under the same key (try ${tries + 1}) …` });
    await sleep(told.after || wait);
  }
}

// Asks what became of it. If nothing did, the shop makes sure that nothing ever will.
async function findOut(press, ticket) {
  show(press, { state: "in-doubt", text: "finding out …" });
  const answer = await post("/api/-/settle", {}, { ticket });
  const doubt = { state: "in-doubt", ticket, resend: true };
  if (answer === null) return end(press, { ...doubt, text: "No answer. Nothing is decided yet." });
  const { status, body } = answer;
  if (status !== 200) return end(press, { ...doubt, text: body.detail ?? `status ${status}` });
  switch (body.settled) {
    case "done":
      return end(press, verdict(press, { status: 200, body: body.value }));
    case "failed":
      return end(press, verdict(press, { status: 422, body: { outcome: "failed", error: body.error } }));
    case "not_done":
      return end(press, { state: "not-done", text: "It was not done, and never will be." });
    case "no_record":
      return end(press, { state: "in-doubt", resend: true, text: "The provider acts outside, and the shop keeps no record of that. Send it again: the key is the same, so it charges once." });
    default:
      return end(press, { state: "in-doubt", text: "Too long ago: nobody knows any more whether it was done. It will not be done from now on." });
  }
}

const STATES = { sending: "…", done: "Done", failed: "Failed", "not-done": "Not done", "in-doubt": "In doubt" };

function show(press, { state, text, ticket, resend }) {
  const state_ = document.createElement("b");
  state_.textContent = STATES[state];
  const words = document.createElement("span");
  words.textContent = text ? `${press.words}: ${text}` : press.words;
  press.item.className = state;
  press.item.replaceChildren(state_, words);
  const button = (label, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.addEventListener("click", act);
    press.item.append(made);
  };
  if (ticket) button("Find out", () => findOut(press, ticket));
  if (resend) button("Send again", () => send(press));
}

function end(press, told) {
  show(press, told);
  lookNow();
}

// Fills the forms that need what was just made, unless somebody writes there.
function offer(list, forms, name, value) {
  const option = document.createElement("option");
  option.value = value;
  if (![...$(list).options].some((known) => known.value === String(value))) $(list).prepend(option);
  while ($(list).options.length > LOG_MAX) $(list).lastChild.remove();
  for (const call of forms.split(" ")) {
    const input = document.querySelector(`form[data-call="${call}"]`).elements[name];
    if (input !== document.activeElement) input.value = value;
  }
}

// The name of the next hold: hold-1, hold-2 and so on.
function next(id) {
  const input = document.querySelector('form[data-call="Wallet.hold"]').elements.id;
  if (input.value === id) input.value = id.replace(/\d*$/, (digits) => Number(digits || 1) + 1);
}

const cents = (text) => {
  const [, whole, part = ""] = text.trim().match(/^(\d+)(?:[.,](\d{1,2}))?$/);
  return Number(whole + part.padEnd(2, "0"));
};

const key = (of) => document.querySelector(`[data-key="${of}"]`)?.value ?? "-";

// A browser takes these two out of an address.
const addressable = (name) => name !== "" && name !== "." && name !== "..";

function press(form) {
  const call = form.dataset.call;
  const [of] = call.split(".");
  const args = {};
  for (const input of form.elements) {
    if (!input.name) continue;
    args[input.name] = input.type === "number" ? Number(input.value) : "money" in input.dataset ? cents(input.value) : input.value;
  }
  const name = key(of);
  const item = document.createElement("li");
  $("nothing").hidden = true;
  $("log").prepend(item);
  while ($("log").children.length > LOG_MAX) $("log").lastChild.remove();
  const made = { call, args, item, key: encodeURIComponent(name), once: freshKey(of), lost: false, words: WORDS[call].ask(name, args) };
  if (addressable(name)) send(made);
  else show(made, { state: "not-done", text: "this name cannot stand in an address." });
}

for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    press(form);
  });
}
for (const input of document.querySelectorAll("[data-money]")) {
  input.inputMode = "decimal";
  input.autocomplete = "off";
  input.pattern = "[0-9]{1,14}([.,][0-9]{1,2})?";
  input.title = "an amount such as 5 or 5.00";
}

async function view(of, method) {
  const name = key(of);
  if (!addressable(name)) return null;
  const answer = await ask(`/api/${of}/${encodeURIComponent(name)}/${method}`, {}, VIEW_MS);
  // Somebody may have written another name meanwhile.
  return answer?.status === 200 && key(of) === name ? answer.body : null;
}

async function look() {
  const [balance, level] = await Promise.all([view("Wallet", "balance"), view("Stock", "level")]);
  $("free").textContent = balance ? money(balance.free) : "–";
  $("held").textContent = balance ? money(balance.held) : "–";
  $("level-free").textContent = level ? level.free.toLocaleString("en") : "–";
  $("level-leased").textContent = level ? level.leased.toLocaleString("en") : "–";
  const connected = balance !== null || level !== null;
  const text = connected ? "Connected." : "No answer from the shop. Asking again …";
  // Said once, not each second: it is read aloud.
  if ($("link").textContent !== text) $("link").textContent = text;
  $("link").classList.toggle("off", !connected);
}

// One look at a time; a wish during one is granted after it.
let looking = false;
let wished = false;
async function lookNow() {
  if (looking) {
    wished = true;
    return;
  }
  looking = true;
  do {
    wished = false;
    await look();
  } while (wished);
  looking = false;
}

for (const input of document.querySelectorAll("[data-key]")) input.addEventListener("input", lookNow);
setInterval(() => { if (!document.hidden) lookNow(); }, POLL_MS);
document.addEventListener("visibilitychange", lookNow);
lookNow();
