import { createHmac } from "node:crypto";
import { failedToConnect } from "../../../ops/safe-fetch.js";
import type { SmsGateway } from "../../../ports.js";
import type { Ctx } from "../../context.js";

/** Where codes are sent, and what they are signed with. */
export interface WebhookSetting {
  url: string;
  secret: string;
}

/** Makes the gateway that posts each code to an address of the app's; see SmsWebhook. */
export function createSmsWebhook(ctx: Pick<Ctx, "fetch" | "clock">, { url, secret }: WebhookSetting): SmsGateway {
  return {
    async send({ appId, phoneNumber, code, locale, text, expireMs, requestId }) {
      const body = JSON.stringify({
        app_id: appId,
        phone_number: phoneNumber,
        code,
        locale,
        text,
        expire_time: new Date(expireMs).toISOString(),
        request_id: requestId,
      });
      const headers = {
        "content-type": "application/json",
        "parley-signature": signature(secret, Math.floor(ctx.clock.now() / 1000), body),
      };
      const post = () => ctx.fetch.post(new URL(url), headers, body);
      const { status } = await post().catch((error: unknown) => {
        // Only what reached nobody is sent again: a second SMS costs money and makes the first code useless.
        if (!failedToConnect(error)) throw error;
        return post();
      });
      if (status < 200 || status > 299) throw new Error(`the webhook answered ${status}`);
    },
  };
}

/** The header by which the receiver knows that a call is ours and fresh. */
function signature(secret: string, atSeconds: number, body: string): string {
  return `t=${atSeconds},v1=${createHmac("sha256", secret).update(`${atSeconds}.${body}`).digest("hex")}`;
}
