import { type AskProvider, askForObject, below, confirmed, needed, providerBusy, wrongProof } from "./identity.js";

const SYSTEM_BUSY = -1;

/** Asks WeChat whether an access token and an openid belong together. It says so by errcode 0, and everything by HTTP 200. */
export function askWechat(base = "https://api.weixin.qq.com"): AskProvider {
  return async (ctx, credential) => {
    const query = { access_token: needed(credential, "accessToken"), openid: needed(credential, "externalUserId") };
    const answer = await askForObject(ctx, () => ctx.fetch.get(below(base, "/sns/auth", query), {}));
    if (answer.errcode === SYSTEM_BUSY) throw providerBusy();
    if (answer.errcode !== 0) throw wrongProof();
    return confirmed(query.openid, credential.externalUserId);
  };
}
