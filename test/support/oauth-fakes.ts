import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { type FakeRequest, type HttpFake, httpFake } from "./http-fake.js";
import { es256, jwt } from "./jwt.js";

/** An access token that a fake has given out. */
interface Grant {
  /** The user's id at the provider. */
  id: string;
  /** The app it was given to. */
  client: string;
  expired?: boolean;
}

/** A provider that answers about the tokens it knows. */
export interface FakeProvider extends HttpFake {
  grants: Map<string, Grant>;
}

async function provider(path: string, answer: (grant: Grant | undefined, request: FakeRequest) => object | string) {
  const grants = new Map<string, Grant>();
  const fake = await httpFake((request) => {
    if (request.path !== path) return { status: 404, body: "not found" };
    const token = request.query.get("access_token") ?? new URLSearchParams(request.body).get("access_token") ?? "";
    return { body: answer(grants.get(token), request) };
  });
  return Object.assign(fake, { grants });
}

/** WeChat's /sns/auth: everything by HTTP 200, and no word of the app. */
export const fakeWechat = () =>
  provider("/sns/auth", (grant, { query }) => {
    if (grant === undefined) return { errcode: 40001, errmsg: "invalid credential, access_token is invalid" };
    if (grant.expired === true) return { errcode: 42001, errmsg: "access_token expired" };
    if (query.get("openid") !== grant.id) return { errcode: 40003, errmsg: "invalid openid" };
    return { errcode: 0, errmsg: "ok" };
  });

/** Weibo's /oauth2/get_token_info, by POST alone; its uid is a number. */
export const fakeWeibo = () =>
  provider("/oauth2/get_token_info", (grant, { method }) => {
    if (method !== "POST") return { error: "http method is not supported", error_code: 10021 };
    if (grant === undefined) return { error: "invalid_access_token", error_code: 21332 };
    const { id, client, expired = false } = grant;
    const expireIn = expired ? -3600 : 157_679_471;
    return { uid: Number(id), appkey: client, scope: null, create_at: 1_352_267_591, expire_in: expireIn };
  });

/** QQ's /oauth2.0/me: wrapped for a script unless fmt=json is asked for; its errors always are, as some of its servers do. */
export const fakeQq = () =>
  provider("/oauth2.0/me", (grant, { query }) => {
    if (grant === undefined || grant.expired === true)
      return 'callback( {"error":100016,"error_description":"access token check failed"} );\n';
    const answer = { client_id: grant.client, openid: grant.id };
    return query.get("fmt") === "json" ? answer : `callback( ${JSON.stringify(answer)} );\n`;
  });

/** A provider of OpenID Connect with a key of its own. */
export interface FakeOidc extends HttpFake {
  issuer: string;
  privateKey: KeyObject;
  /** An id token for a user; what is given goes over what is usual. */
  token(sub: string, claims?: object, header?: object): string;
}

export async function fakeOidc(nowSeconds = () => Math.floor(Date.now() / 1000)): Promise<FakeOidc> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keys = [{ ...publicKey.export({ format: "jwk" }), kid: "k1", alg: "ES256", use: "sig" }];
  const fake = await httpFake(({ path }) => {
    const issuer = fake.url;
    if (path === "/.well-known/openid-configuration") return { body: { issuer, jwks_uri: `${issuer}/keys` } };
    return path === "/keys" ? { body: { keys } } : { status: 404 };
  });
  return Object.assign(fake, {
    issuer: fake.url,
    privateKey,
    token(sub: string, claims: object = {}, header: object = {}) {
      const now = nowSeconds();
      const usual = { iss: fake.url, aud: "our-client", sub, iat: now, exp: now + 3600 };
      return jwt({ alg: "ES256", kid: "k1", ...header }, { ...usual, ...claims }, es256(privateKey));
    },
  });
}
