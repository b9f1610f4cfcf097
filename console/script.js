// Keeps an open page current. The page names a subscription; each of its events makes this script ask for the page again and put in place
// the parts that have changed, so that everything is worded by the server. Without this script every page works, as of when it was opened.
"use strict";

(() => {
  const { page, query, variables } = document.body.dataset;
  const indicator = document.getElementById("live");
  const PAUSE = 800; // the least time between two looks
  const LATER = 5000; // before what failed or was refused is tried again
  const MINUTE = 60000; // after which what is told of times is no longer true

  function say(state, words) {
    indicator.hidden = false;
    indicator.dataset.state = state;
    indicator.textContent = words;
  }

  // Whether somebody is at work in it: an open form with something typed, or the focus in a field.
  function isInUse(part) {
    const field = part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
    return field || [...part.querySelectorAll("details[open] input:not([type=hidden])")].some((input) => input.value !== input.defaultValue);
  }

  const STOPS = "a[href], button, summary, [tabindex]";

  // Puts a part in the place of another. What is open stays open, and whoever was at a link or a button is at its like again.
  function replace(old, fresh) {
    const stops = [...old.querySelectorAll(STOPS)];
    const at = stops.indexOf(document.activeElement);
    const words = at < 0 ? "" : stops[at].outerHTML;
    const open = [...old.querySelectorAll("details[open][data-keep]")].map((part) => part.dataset.keep);
    const known = new Set([...old.querySelectorAll("li[id]")].map((item) => item.id));
    const added = [...fresh.querySelectorAll("li[id]")].filter((item) => !known.has(item.id));
    for (const part of fresh.querySelectorAll("details[data-keep]")) part.open = part.open || open.includes(part.dataset.keep);
    if (known.size > 0) for (const item of added) item.classList.add("new");
    old.replaceWith(fresh);
    if (at >= 0) {
      const now = [...fresh.querySelectorAll(STOPS)];
      (now.find((stop) => stop.outerHTML === words) ?? now[Math.min(at, now.length - 1)])?.focus({ preventScroll: true });
    }
    return known.size > 0 ? added : [];
  }

  async function look() {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.redirected || answer.status === 401) return location.reload();
    if (answer.status === 429 || answer.status >= 500) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const once = document.querySelector("input[name=once]")?.value;
    const news = [];
    for (const old of document.querySelectorAll("[data-part]")) {
      const fresh = page.querySelector(`[data-part="${old.dataset.part}"]`);
      for (const input of fresh?.querySelectorAll("input[name=once]") ?? []) if (once) input.setAttribute("value", once);
      if (!fresh || fresh.isEqualNode(old) || isInUse(old)) continue;
      news.push(...replace(old, document.adoptNode(fresh)));
    }
    const words = news.slice(0, 3).map((item) => item.textContent.replace(/\s+/g, " ").trim());
    if (words.length > 0) document.getElementById("announce").textContent = words.join(". ");
  }

  let looking = null;
  let again = false;
  // One look at a time, and not too often: a burst of events is one look at its end. One that failed is followed by another.
  function lookSoon() {
    if (looking) {
      again = true;
      return;
    }
    const failed = () => {
      again = true;
      return LATER;
    };
    looking = look().then(() => PAUSE, failed).then((time) => new Promise((done) => setTimeout(done, time))).then(() => {
      looking = null;
      if (again) {
        again = false;
        lookSoon();
      }
    });
  }

  function address(query, variables) {
    return `/graphql?${new URLSearchParams({ query, variables: JSON.stringify(variables) })}`;
  }

  // Follows a subscription for as long as the page is seen. The browser itself reconnects and says where it was; where it gave up, or the
  // page was hidden meanwhile, the next stream begins after the last event that came. A page looks when it has lost its stream, which may
  // be because nobody is signed in any more.
  function follow(query, variables, onNext, onState, onLoss) {
    let source = null;
    let timer = null;
    let last = null;
    let refused = null;
    const stop = () => {
      clearTimeout(timer);
      if (source) source.close();
      source = null;
    };
    const later = () => {
      stop();
      onState("wait", "Reconnecting");
      onLoss?.(refused);
      timer = setTimeout(start, LATER);
    };
    const start = () => {
      stop();
      source = new EventSource(address(query, last && "after" in variables ? { ...variables, after: last } : variables));
      source.onopen = () => onState("on", "Live");
      source.onmessage = (event) => { last = event.lastEventId || last; };
      source.addEventListener("next", (event) => {
        last = event.lastEventId || last;
        const answer = JSON.parse(event.data);
        refused = answer.data ? null : answer.errors?.[0]?.extensions?.code;
        if (!refused || !onLoss) onNext(answer);
      });
      source.addEventListener("complete", () => {
        if (refused && onLoss) return later();
        stop();
        onState("off", "Ended");
      });
      source.onerror = () => {
        onState("wait", "Reconnecting");
        if (source && source.readyState === EventSource.CLOSED) later();
      };
    };
    start();
    return { start, stop };
  }

  // A form that was refused has an address that nobody can look at: this is the one of its record.
  if (page) history.replaceState(null, "", page);

  if (query) {
    let hidden = false;
    const stream = follow(query, JSON.parse(variables), lookSoon, say, (code) => {
      // Where the page was in the journal counts no longer, as after a backup was put back: a new page is somewhere else. Once a minute.
      const before = Number(sessionStorage.getItem("reloaded"));
      if (!code?.startsWith("CURSOR_") || Date.now() - before < MINUTE) return lookSoon();
      sessionStorage.setItem("reloaded", Date.now());
      location.reload();
    });
    setInterval(() => { if (!document.hidden) lookSoon(); }, MINUTE);
    document.addEventListener("visibilitychange", () => {
      // A browser has few connections to a site: a page that nobody sees gives its one back.
      if (document.hidden) {
        hidden = true;
        stream.stop();
      } else if (hidden) {
        hidden = false;
        stream.start();
        lookSoon();
      }
    });
  }

  const button = document.getElementById("follow");
  if (button) {
    const output = document.getElementById("output");
    const form = document.getElementById("ask");
    let stream = null;
    button.hidden = false;
    button.addEventListener("click", () => {
      if (stream) {
        stream.stop();
        stream = null;
        button.textContent = "Follow a subscription";
        return say("off", "Stopped");
      }
      let given;
      try {
        given = JSON.parse(form.elements.variables.value || "{}");
      } catch (error) {
        output.textContent = `The variables are not JSON: ${error.message}`;
        return;
      }
      output.textContent = "";
      button.textContent = "Stop";
      stream = follow(form.elements.query.value, given, (answer) => {
        output.textContent = `${JSON.stringify(answer, null, 2)}\n${output.textContent}`.slice(0, 200000);
        document.getElementById("announce").textContent = "There is an answer.";
      }, say);
    });
  }

  // What came of the last form: a reader is told it first, wherever the page begins.
  document.querySelector("[data-outcome]")?.focus();
})();
