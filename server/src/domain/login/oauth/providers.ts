import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { SetOauthProvidersRequestSchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { OauthProvider } from "@parley/proto/parley/v1/oauth_provider_pb.js";
import type { AppRecord } from "../../apps.js";
import type { Ctx } from "../../context.js";
import { invalidField } from "../../errors.js";
import { parseNamedUrl } from "../named-url.js";
import type { AskProvider } from "./identity.js";
import { askOidc } from "./oidc.js";
import { askQq } from "./qq.js";
import { askWechat } from "./wechat.js";
import { askWeibo } from "./weibo.js";

/** Checks providers and gives the form they are stored in, or null for none. Throws INVALID_FIELD. */
export function packProviders({ fetch }: Pick<Ctx, "fetch">, providers: readonly OauthProvider[]): Buffer | null {
  if (providers.length === 0) return null;
  const names = new Set<string>();
  for (const [at, { name, kind, baseUrl }] of providers.entries()) {
    const field = `providers[${at}]`;
    if (names.has(name)) throw invalidField(`${field}.name`, "this name is there twice");
    names.add(name);
    const check = (part: string, url: string) => {
      const parsed = parseNamedUrl(fetch, url);
      if (typeof parsed === "string") throw invalidField(`${field}.${part}`, parsed);
    };
    if (baseUrl !== "") check("base_url", baseUrl);
    if (kind.case !== "oidc") continue;
    const { issuer, jwksUrl } = kind.value;
    if (jwksUrl !== "") check("oidc.jwks_url", jwksUrl);
    else if (baseUrl === "") check("oidc.issuer", issuer);
  }
  const packed = create(SetOauthProvidersRequestSchema, { providers: [...providers] });
  return Buffer.from(toBinary(SetOauthProvidersRequestSchema, packed));
}

/** The providers of an app, in the order in which they were set. */
export function providersOf({ oauthProviders }: Pick<AppRecord, "oauthProviders">): OauthProvider[] {
  return oauthProviders === null ? [] : fromBinary(SetOauthProvidersRequestSchema, oauthProviders).providers;
}

// Keyed by the stored bytes, which an app keeps until it changes, so that keys are fetched once in a while and not for every login.
const known = new WeakMap<Uint8Array, ReadonlyMap<string, AskProvider>>();

/** The way to ask the provider of this name, or undefined when the app has none. */
export function askerOf(app: Pick<AppRecord, "oauthProviders">, name: string): AskProvider | undefined {
  const { oauthProviders } = app;
  if (oauthProviders === null) return undefined;
  let askers = known.get(oauthProviders);
  if (askers === undefined) {
    askers = new Map(providersOf(app).map((provider) => [provider.name, askerFor(provider)]));
    known.set(oauthProviders, askers);
  }
  return askers.get(name);
}

function askerFor({ kind, baseUrl }: OauthProvider): AskProvider {
  const base = baseUrl === "" ? undefined : baseUrl;
  switch (kind.case) {
    case "wechat":
      return askWechat(base);
    case "weibo":
      return askWeibo(kind.value.clientId, base);
    case "qq":
      return askQq(kind.value.clientId, base);
    case "oidc":
      return askOidc(kind.value, base);
    default:
      throw new Error("a stored provider is of no kind");
  }
}
