import { type AskProvider, askForObject, below, confirmed, needed, wrongProof } from "./identity.js";

/** Asks QQ whose an access token is and for which app it was made. */
export function askQq(clientId: string, base = "https://graph.qq.com"): AskProvider {
  return async (ctx, credential) => {
    const query = { access_token: needed(credential, "accessToken"), fmt: "json" };
    const answer = await askForObject(ctx, () => ctx.fetch.get(below(base, "/oauth2.0/me", query), {}));
    if (String(answer.client_id) !== clientId) throw wrongProof();
    return confirmed(answer.openid, credential.externalUserId);
  };
}
