// Keeps an open page current. The page names a subscription; each of its events makes this script ask for the page again and put in place
// the parts that have changed, so that everything is worded by the server. Without this script every page works, as of when it was opened.
"use strict";

(() => {
  const { page, query, variables } = document.body.dataset;
  const indicator = document.getElementById("live");
  const PAUSE = 800; // the least time between two looks
  const LATER = 5000; // before what failed or was refused is tried again
  const PATIENCE = 15000; // for an answer
  const MINUTE = 60000; // after which what is told of times is no longer true

  let connection = null; // how the page is kept current, and in words
  let outdated = false; // whether the last look at it failed
  function tell() {
    const [state, words] = outdated ? ["wait", "Out of date; trying again"] : connection;
    indicator.hidden = false;
    indicator.dataset.state = state;
    indicator.textContent = words;
  }
  function say(state, words) {
    connection = [state, words];
    tell();
  }

  // Whether somebody is at work in it: an open form with something in it, or the focus in a field.
  function isInUse(part) {
    const field = part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
    return field || [...part.querySelectorAll("details[open] input:not([type=hidden])")].some((input) => input.value !== "");
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
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(PATIENCE) });
    if (answer.status === 429 || answer.status >= 500) throw new Error(answer.statusText);
    // Nobody is signed in any more, or there is no such page: the browser shows what there is instead.
    if (answer.redirected || !answer.ok) return location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // Somebody else has signed in, or another version is there, with another script.
    if (page.querySelector(".who")?.textContent !== document.querySelector(".who").textContent) return location.reload();
    const script = (of) => of.querySelector("script[src]").getAttribute("src");
    if (script(page) !== script(document) && !isInUse(document.body)) return location.reload();
    document.title = page.title;
    // After a new sign-in the forms of the old one count no more.
    const token = page.querySelector("input[name=token]").value;
    for (const input of document.querySelectorAll("input[name=token]")) input.value = token;
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
    const looked = (failed) => {
      outdated = failed;
      again ||= failed;
      if (connection) tell();
      return failed ? LATER : PAUSE;
    };
    looking = look().then(() => looked(false), () => looked(true)).then((time) => new Promise((done) => setTimeout(done, time))).then(() => {
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

  // Follows a subscription for as long as the page is seen: a browser has few connections to a site, and a page that nobody sees takes none.
  // The browser itself reconnects and says where it was; where it gave up, or the page was hidden meanwhile, the next stream begins after the
  // last event that came. Tells of each answer, of its own state, of a stream that was lost, with the error's code if there was one, and of
  // being seen again. What `persists` is taken up again after it was refused; anything else has ended with that.
  function follow(query, variables, { persists, onNext, onState, onLoss, onReturn }) {
    let source = null;
    let timer = null;
    let last = null;
    let refused = null;
    const pause = () => {
      clearTimeout(timer);
      if (source) source.close();
      source = null;
    };
    const later = () => {
      pause();
      onState("wait", "Reconnecting");
      timer = setTimeout(start, LATER);
      onLoss(refused);
    };
    const start = () => {
      pause();
      if (document.hidden) return;
      source = new EventSource(address(query, last && "after" in variables ? { ...variables, after: last } : variables));
      source.onopen = () => onState("on", "Live");
      source.onmessage = (event) => { last = event.lastEventId || last; };
      source.addEventListener("next", (event) => {
        last = event.lastEventId || last;
        const answer = JSON.parse(event.data);
        refused = answer.data ? null : answer.errors?.[0]?.extensions?.code;
        onNext(answer);
      });
      source.addEventListener("complete", () => {
        if (refused && persists) return later();
        stop();
        onState("off", "Ended");
      });
      source.onerror = () => {
        onState("wait", "Reconnecting");
        if (source && source.readyState === EventSource.CLOSED) later();
      };
    };
    const turn = () => {
      if (document.hidden) return pause();
      start();
      onReturn?.();
    };
    const stop = () => {
      pause();
      document.removeEventListener("visibilitychange", turn);
    };
    document.addEventListener("visibilitychange", turn);
    start();
    return stop;
  }

  // A form that was sent has an address that says so, or one that nobody can look at: this is the one of its record.
  if (page) history.replaceState(null, "", page);

  if (query) {
    follow(query, JSON.parse(variables), {
      persists: true,
      onNext: (answer) => { if (answer.data) lookSoon(); },
      onState: say,
      // Nobody may be signed in any more. Or where the page was in the journal counts no longer, as after a backup was put back: a new page
      // is somewhere else. Once a minute.
      onLoss: (code) => {
        const before = Number(sessionStorage.getItem("reloaded"));
        if (!code?.startsWith("CURSOR_") || Date.now() - before < MINUTE) return lookSoon();
        sessionStorage.setItem("reloaded", Date.now());
        location.reload();
      },
      onReturn: lookSoon,
    });
    setInterval(() => { if (!document.hidden) lookSoon(); }, MINUTE);
  }

  const button = document.getElementById("follow");
  if (button) {
    const output = document.getElementById("output");
    const form = document.getElementById("ask");
    let stop = null;
    const show = (text) => {
      output.textContent = text;
      document.getElementById("announce").textContent = "There is an answer.";
    };
    const ended = () => {
      stop?.();
      stop = null;
      button.textContent = "Follow a subscription";
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      if (stop) {
        ended();
        return say("off", "Stopped");
      }
      const query = form.elements.query.value;
      let given;
      try {
        given = JSON.parse(form.elements.variables.value || "{}");
      } catch (error) {
        return show(`The variables are not JSON: ${error.message}`);
      }
      output.textContent = "";
      button.textContent = "Stop";
      stop = follow(query, given, {
        onNext: (answer) => show(`${JSON.stringify(answer, null, 2)}\n${output.textContent}`.slice(0, 200000)),
        onState: (state, words) => {
          if (state === "off") ended();
          say(state, words);
        },
        // What the browser does not say: why there is no stream, where that is not the connection.
        onLoss: async () => {
          const reached = new AbortController();
          const answer = await fetch(address(query, given), { headers: { accept: "text/event-stream" }, signal: reached.signal }).catch(() => null);
          if (answer?.status === 401) return location.reload();
          if (!answer || answer.ok || answer.status >= 500) return reached.abort();
          show(await answer.text());
          ended();
          say("off", "Refused");
        },
      });
    });
  }

  // What came of the last form: a reader is told it first, wherever the page begins.
  document.querySelector("[data-outcome]")?.focus();
})();
