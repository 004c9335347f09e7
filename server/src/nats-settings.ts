/** The NATS servers by which nodes wake each other, and who may come in there. */
export interface NatsSettings {
  /** Host and port of each server. */
  servers: string[];
  tls: boolean;
  user: string | undefined;
  password: string | undefined;
  token: string | undefined;
}

/** What the URLs of NATS servers say, or what is wrong with them. */
export function natsOf(texts: readonly string[]): NatsSettings | string {
  const urls = texts.map((text) => (URL.canParse(text) ? new URL(text) : undefined));
  const [first] = urls;
  if (first === undefined || !urls.every((url) => isNatsUrl(url)))
    return "must be URLs such as nats://host:4222 or tls://user:password@host:4222";
  const differs = (part: "protocol" | "username" | "password") => urls.some((url) => url?.[part] !== first[part]);
  if (differs("protocol")) return "must not mix nats:// and tls://";
  if (differs("username") || differs("password")) return "must name the same user and password in each URL";
  const [user, password] = [decoded(first.username), decoded(first.password)];
  if (user === undefined || password === undefined) return "must have its user and password URL-encoded";
  return {
    servers: urls.map((url) => url?.host ?? ""),
    tls: first.protocol === "tls:",
    user: password === "" ? undefined : user,
    password: password === "" ? undefined : password,
    // A name alone is a token, as everywhere with NATS.
    token: user !== "" && password === "" ? user : undefined,
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function isNatsUrl(url: URL | undefined): boolean {
  if (url === undefined) return false;
  const { protocol, hostname, pathname, search, hash } = url;
  return /^(nats|tls):$/.test(protocol) && hostname !== "" && /^\/?$/.test(pathname) && search + hash === "";
}
