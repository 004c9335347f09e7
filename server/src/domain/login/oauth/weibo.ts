import { type AskProvider, askForObject, below, confirmed, needed, providerBusy, wrongProof } from "./identity.js";

/** Asks Weibo whose an access token is, for which app it was made, and how long it lives. */
export function askWeibo(clientId: string, base = "https://api.weibo.com"): AskProvider {
  return async (ctx, credential) => {
    const body = new URLSearchParams({ access_token: needed(credential, "accessToken") }).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const url = below(base, "/oauth2/get_token_info");
    const answer = await askForObject(ctx, () => ctx.fetch.post(url, headers, body));
    // Its errors of the 10000s are its own, such as too many requests; the others are about the token.
    if (isSystemError(answer.error_code)) throw providerBusy();
    if (String(answer.appkey) !== clientId || !(Number(answer.expire_in) > 0)) throw wrongProof();
    return confirmed(answer.uid, credential.externalUserId);
  };
}

function isSystemError(code: unknown): boolean {
  return Math.floor(Number(code) / 10_000) === 1;
}
