/**
 * A server in a process of its own whose provider writes down what it is handed, and which kills itself around some of the hand-overs:
 * `node push-server.mjs SETTINGS FILE ONE_IN SERVER_MODULE`, over IPC.
 */
import { appendFileSync } from "node:fs";

const [settings, file, oneIn, serverModule] = process.argv.slice(2);
const { startServer } = await import(serverModule);
const kill = () => process.kill(process.pid, "SIGKILL");
const draw = (below) => Math.floor(Math.random() * below);

const pushSender = {
  canPush: () => true,
  async send(_appId, target, push) {
    const point = draw(Number(oneIn)) === 0 ? draw(3) : undefined;
    if (point === 0) kill();
    const { pushId, collapseId, body } = push;
    appendFileSync(file, `${JSON.stringify({ token: target.token, pushId, collapseId, body })}\n`);
    if (point === 1) kill();
    // The provider has it, and what becomes of it is on its way to the store.
    if (point === 2) setTimeout(kill, draw(4));
    return { kind: "sent" };
  },
  close: async () => {},
};

const limits = { eventLoopBusyMs: 1e9, eventLoopFloodedMs: 1e9 };
const server = await startServer(JSON.parse(settings), { limits, times: { presenceBootGraceMs: 0 }, pushSender });
process.send({ url: server.url, ...server.developmentApp });
process.on("disconnect", () => process.exit());
