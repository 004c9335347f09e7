import { resolve } from "node:path";
import { DEFAULT_DATA_DIR, DEFAULT_URL } from "./options.js";

/** What a start tells the one at the terminal. */
export interface Welcome {
  version: string;
  url: string;
  dataDir: string;
  developmentApp: { appId: string; clientKey: string; serviceKey: string } | undefined;
}

/** The greeting of a start, with lines to paste that make two users talk. */
export function welcomeText({ version, url, dataDir, developmentApp }: Welcome): string {
  const head = `Parley ${version} serves ${url} and keeps everything in ${dataDir}`;
  if (developmentApp === undefined) return `${head}\nIts apps: parley app list\n`;
  const { appId, clientKey, serviceKey } = developmentApp;
  const urlFlag = url === DEFAULT_URL ? "" : ` --url ${url}`;
  const flags = urlFlag + (dataDir === resolve(DEFAULT_DATA_DIR) ? "" : ` --data-dir ${dataDir}`);
  return `${head}

The development app, in which anyone with its client key can log in as anyone:
  app id       ${appId}
  client key   ${clientKey}
  service key  ${serviceKey}   (secret: it may do everything in this app)

Two windows of a browser, or of two browsers, chat on the page:
  ${url}/#app_id=${appId}&client_key=${clientKey}

Two terminals hold a conversation (open both, then type):
  npx parley chat --user Tom --to Jerry${flags}
  npx parley chat --user Jerry --to Tom${flags}

Or by hand: Tom writes to Jerry. Paste the lines into another terminal.

${tryLines(url, appId, clientKey).join("\n")}

`;
}

/** Shell lines that log two users in, make them friends, send a message and receive it. They need only curl and sed. */
export function tryLines(url: string, appId: string, clientKey: string): string[] {
  const post = `curl -sS -H 'content-type: application/json'`;
  return [
    `URL=${url}/parley.v1`,
    `login() { ${post} "$URL.AuthService/Login" -d '{"app_id":"${appId}","client_key":"${clientKey}","bare_id":{"user_id":"'"$1"'"}}' | ${pick("sessionToken")}; }`,
    "TOM=$(login Tom)",
    "JERRY=$(login Jerry)",
    `${post} -H "authorization: Bearer $TOM" "$URL.FriendService/AddFriend" -d '{"user_id":"Jerry"}'; echo`,
    `events() { curl -sS -G -H "authorization: Bearer $JERRY" "$URL.MessageService/ListEvents" -d connect=v1 -d encoding=json --data-urlencode "message={\\"cursor\\":\\"$1\\"}"; echo; }`,
    `CURSOR=$(events "" | ${pick("cursor")})`,
    `${post} -H "authorization: Bearer $TOM" "$URL.MessageService/SendMessage" -d '{"receiver":{"user_id":"Jerry"},"content":{"text":{"text":"Hello Jerry"}}}'; echo`,
    'events "$CURSOR"',
  ];
}

/** A filter that prints the one string of this name in a JSON answer. */
function pick(name: string): string {
  return `sed -n 's/.*"${name}": *"\\([^"]*\\)".*/\\1/p'`;
}
