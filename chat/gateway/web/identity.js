// Who this window speaks for. In dev mode a name is enough and the server mints a token for it; in jwt mode the user
// pastes one. Nothing of it is ever in the address, and a pasted token is gone with the window.

const SUFFIX = "chat.suffix"; // in localStorage: makes this browser's "Anna" another person than the next one's
const LAST_NAME = "chat.name"; // in localStorage, to offer it again
const PERSON = "chat.person"; // in sessionStorage: two windows can be two people
const TOKEN = "chat.token"; // in sessionStorage
const ANSWER_TIMEOUT_MS = 10_000;

export class SignInNeeded extends Error {
  isFinal = true; // for the client: do not try again by yourself
}

export class Identity {
  constructor(mode, { local = localStorage, session = sessionStorage, request = (...all) => fetch(...all) } = {}) {
    this.mode = mode;
    this.local = local;
    this.session = session;
    this.request = request;
  }

  // Who signed in: `{userId, name}`, or null.
  get person() {
    return JSON.parse(this.session.getItem(PERSON) ?? "null");
  }

  get lastName() {
    return this.local.getItem(LAST_NAME) ?? "";
  }

  signInAs(name) {
    const trimmed = name.trim();
    if (!trimmed) throw new SignInNeeded("Please write a name.");
    this.local.setItem(LAST_NAME, trimmed);
    this.session.setItem(PERSON, JSON.stringify({ userId: `${slug(trimmed, 48)}-${this.#suffix}`, name: trimmed }));
  }

  signInWith(token) {
    const claims = claimsOf(token.trim());
    if (!claims?.sub) throw new SignInNeeded("This is no token: a JWT has three parts with dots between them.");
    if (claims.exp * 1000 <= Date.now()) throw new SignInNeeded("This token has run out; get a fresh one.");
    this.session.setItem(TOKEN, token.trim());
    this.session.setItem(PERSON, JSON.stringify({ userId: claims.sub, name: claims.name ?? claims.sub }));
  }

  signOut() {
    this.session.removeItem(PERSON);
    this.session.removeItem(TOKEN);
  }

  // Return a token for a connection or a request. Throws SignInNeeded when the user has to come with another one.
  async token({ attempt = 0 } = {}) {
    return this.mode === "dev" ? this.#minted() : this.#pasted(attempt);
  }

  async #minted() {
    const { userId, name } = this.person;
    const body = JSON.stringify({ user_id: userId, user_name: name });
    const answer = await this.#ask("api/v1/dev/token", { method: "POST", body });
    if (answer.status >= 500) throw new Error(`the server answered ${answer.status}`);
    if (!answer.ok) throw new SignInNeeded((await answer.json()).detail);
    return (await answer.json()).token;
  }

  // A browser is not told why a handshake was refused, so after a failed attempt the token is tried on a request.
  async #pasted(attempt) {
    const token = this.session.getItem(TOKEN);
    if (!token || claimsOf(token).exp * 1000 <= Date.now()) {
      throw new SignInNeeded("The token has run out; paste a fresh one.");
    }
    if (attempt > 0) {
      const headers = { Authorization: `Bearer ${token}` };
      const answer = await this.#ask("api/v1/rooms", { headers });
      if (answer.status === 401) throw new SignInNeeded((await answer.json()).detail);
    }
    return token;
  }

  #ask(path, options) {
    return this.request(path, { ...options, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
  }

  get #suffix() {
    let suffix = this.local.getItem(SUFFIX);
    if (!suffix) {
      suffix = Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => (byte % 36).toString(36)).join("");
      this.local.setItem(SUFFIX, suffix);
    }
    return suffix;
  }
}

// What a token says of itself; whether that is true is for the server to tell.
export function claimsOf(token) {
  try {
    const text = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (character) => character.charCodeAt(0))));
  } catch {
    return null;
  }
}

// The nearest thing to `name` that may be an id: A-Z a-z 0-9 _ . - and at most `length` of them.
export function slug(name, length = 64) {
  if (/^[A-Za-z0-9_.-]+$/.test(name)) return name.slice(0, length);
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const readable = plain.replace(/[^a-z0-9_.-]+/g, "-").replace(/^-+|-+$/g, "");
  return (readable || hexOf(name)).slice(0, length);
}

function hexOf(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
