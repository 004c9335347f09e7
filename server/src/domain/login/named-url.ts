import type { SafeFetch } from "../../ops/safe-fetch.js";

/** The address that an app named, or why nothing is ever sent to it. */
export function parseNamedUrl(fetch: SafeFetch, text: string): URL | string {
  if (!URL.canParse(text)) return "this is not a URL";
  const url = new URL(text);
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback))
    return "the URL must be https; http is for the loopback only";
  return fetch.refusal(url) ?? url;
}
