import { spawn } from "node:child_process";
import { createClient, createServiceClient, user, group, room, everyone, memoryStore } from "@parley/client";
import { nodePlatform, fileStore } from "@parley/client/node";
const dir = "/tmp/sdktry/data" + Date.now();
const serve = (port) => new Promise((resolve) => {
  const p = spawn(process.execPath, ["server/dist/main.js", "serve", "--json-ready", "--data-dir", dir, "--port", String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  p.stdout.on("data", (d) => { for (const l of String(d).split("\n")) { try { const j = JSON.parse(l); if (j.url && j.app_id !== undefined) resolve([p, j]); } catch {} } });
});
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
let [proc, info] = await serve(17932);
const opts = { baseUrl: info.url, appId: info.app_id, clientKey: info.client_key };
const mk = (name, extra = {}) => {
  const c = createClient({ ...opts, ...extra });
  for (const e of ["friendMessage","groupMessage","roomMessage","ownMessage","systemMessage","friendOnline","friendOffline","friendChanged","groupChanged","groupMemberChanged","roomChanged","typing","readMarker","resync","disconnected","error","sessionRevoked"])
    c.on(e, (v) => console.log(name, e, e==="error"?v: v.content?.content?.value?.text ?? v.userId ?? v.reason ?? v.groupId ?? ""));
  c.on("state", (s) => console.log(name, "state", s.name, s.reason ?? ""));
  return c;
};
const backend = createServiceClient({ baseUrl: info.url, serviceKey: info.service_key });
const tom = mk("tom"), jerry = mk("jerry", { platform: nodePlatform({ httpVersion: "1.1" }) });
await jerry.login({ bareId: "Jerry" });
await tom.login({ bareId: "Tom" });
await tom.friends.add("Jerry");
const out = tom.messages.send(user("Jerry"), { text: "Hi!" });
console.log("stored seq", (await out.stored).seq, out.status);
const g = await tom.groups.create({ name: "cats", memberUserIds: ["Jerry"] });
await tom.messages.send(group(g.groupId), { text: "group hi" }).stored;
const r = await tom.rooms.create({ name: "lobby", memberUserIds: ["Jerry"] });
await tom.messages.send(room(r.roomId), { text: "room hi" }).stored;
await backend.admin.sendSystemMessage(everyone(), { text: "to all" });
await backend.as("Tom").messages.send(user("Jerry"), { text: "by backend" }).stored;
await sleep(300);
await jerry.pause(); await sleep(300);
for (let i = 0; i < 5; i++) tom.messages.send(user("Jerry"), { text: "missed " + i });
await sleep(300);
await jerry.resume(); await sleep(300);
const h = await jerry.history.list(user("Tom")); console.log("history", h.messages.length, h.headSeq);
console.log((await jerry.conversations.list()).conversations.map(c => [c.peer.peer.case, c.unreadCount]));
await jerry.conversations.markRead(user("Tom"));
try { await tom.messages.send(user("nobody"), { text: "x" }).stored } catch (e) { console.log("err", e.name, e.reason, e.code, e.retryable) }
try { await tom.messages.send(user("Jerry"), { text: "" }).stored } catch (e) { console.log("err", e.reason, e.field) }
console.log("--- kill -9 the server");
proc.kill("SIGKILL"); await sleep(200);
const offline = tom.messages.send(user("Jerry"), { text: "written offline" });
const roomOffline = tom.messages.send(room(r.roomId), { text: "lost" });
console.log("offline", offline.status, roomOffline.status, roomOffline.error?.reason);
await sleep(500);
[proc] = await serve(17932);
console.log("stored after restart", (await offline.stored).seq);
await sleep(1500);
console.log(tom.state.name, jerry.state.name);
// restore
const store = fileStore(dir + "/client");
const a = createClient({ ...opts, store }); await a.login({ bareId: "Spike" }); await a.close();
await tom.messages.send(user("Spike"), { text: "to spike while away" }).stored;
const b = mk("spike", { store }); console.log("restored", (await b.restore())?.userId); await sleep(300);
await b.logout(); console.log("logged out", b.state.name, await store.keys(""));
// rate limit
const t0 = Date.now();
const many = Array.from({ length: 300 }, (_, i) => tom.messages.send(user("Jerry"), { text: "#" + i }));
jerry.on("friendMessage", () => {}); 
await Promise.all(many.map((m) => m.stored)); console.log("300 sends in", Date.now() - t0, "ms");
const last = await jerry.history.list(user("Tom"), { pageSize: 100 });
console.log("in order", last.messages.every((m, i) => i === 0 || Number(m.content.content.value.text.slice(1)) === Number(last.messages[i-1].content.content.value.text.slice(1)) + 1));
const minted = await backend.admin.createSession("Tyke");
const tyke = mk("tyke"); await tyke.login({ sessionToken: minted.sessionToken }); console.log(tyke.currentUser.userId);
await backend.rpc.auth; 
await tom.logout(); await tyke.close(); await jerry.close(); backend.close();
proc.kill("SIGTERM");
console.log("done; process should end by itself");
