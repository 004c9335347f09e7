import type { SetSmsGatewayRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { SmsGateway } from "../../../ports.js";
import type { AppRecord } from "../../apps.js";
import type { Ctx } from "../../context.js";
import { invalidField } from "../../errors.js";
import { parseNamedUrl } from "../named-url.js";
import { createSmsWebhook, type WebhookSetting } from "./webhook.js";

/** How the codes of an app reach the phones, in the form that is sealed. */
export type SmsSetting = { kind: "console" } | { kind: "none" } | ({ kind: "webhook" } & WebhookSetting);

type GatewayCtx = Pick<Ctx, "secrets" | "fetch" | "clock" | "print">;

/** Checks a gateway and gives its sealed form. Throws INVALID_FIELD. */
export function sealSmsGateway(
  ctx: Pick<Ctx, "secrets" | "fetch">,
  app: AppRecord,
  gateway: SetSmsGatewayRequest["gateway"],
): Buffer {
  return ctx.secrets.seal(Buffer.from(JSON.stringify(checked(ctx, app, gateway))));
}

function checked(ctx: Pick<Ctx, "fetch">, app: AppRecord, gateway: SetSmsGatewayRequest["gateway"]): SmsSetting {
  switch (gateway.case) {
    case "console":
      if (!isDevelopment(app))
        throw invalidField("console", "codes are printed in a development app only (allow_bare_id_login)");
      return { kind: "console" };
    case "webhook": {
      const { url, secret } = gateway.value;
      const parsed = parseNamedUrl(ctx.fetch, url);
      if (typeof parsed === "string") throw invalidField("webhook.url", parsed);
      return { kind: "webhook", url, secret };
    }
    case "none":
      return { kind: "none" };
    default:
      throw invalidField("gateway", "a gateway is required");
  }
}

// Keyed by the stored bytes, which an app keeps until it changes.
const opened = new WeakMap<Uint8Array, SmsSetting>();

/** The gateway in force. Where nobody has set one, a development app prints its codes and others have none. */
export function smsSettingOf(ctx: Pick<Ctx, "secrets">, app: AppRecord): SmsSetting {
  const setting = app.smsGateway === null ? ({ kind: "console" } as const) : open(ctx, app.smsGateway);
  return setting.kind === "console" && !isDevelopment(app) ? { kind: "none" } : setting;
}

function open(ctx: Pick<Ctx, "secrets">, sealed: Uint8Array): SmsSetting {
  const known = opened.get(sealed) ?? (JSON.parse(ctx.secrets.open(sealed).toString()) as SmsSetting);
  opened.set(sealed, known);
  return known;
}

/** Where anyone may act as anyone, a code in a terminal opens nothing more. */
function isDevelopment(app: AppRecord): boolean {
  return app.rules.allowBareIdLogin;
}

/** The way to the phones, or undefined when login by SMS is off. */
export function smsGatewayOf(ctx: GatewayCtx, app: AppRecord): SmsGateway | undefined {
  const setting = smsSettingOf(ctx, app);
  switch (setting.kind) {
    case "none":
      return undefined;
    case "console":
      return { send: async ({ phoneNumber, text }) => ctx.print(`SMS to ${phoneNumber}: ${text}`) };
    case "webhook":
      return createSmsWebhook(ctx, setting);
  }
}
