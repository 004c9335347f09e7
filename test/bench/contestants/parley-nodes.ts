import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Contestant } from "../contestant.js";
import { transpilePeers } from "../peers/transpile.js";
import { parleyRpc } from "./parley-rpc.js";
import { parleyMain } from "./parley-server.js";
import { postgresBin } from "./postgres-bin.js";

const natsServer = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];

/** Why there can be no rows of several nodes on this machine; undefined when there can. */
export function nodesMissing(): string | undefined {
  const has = postgresBin() !== undefined && natsServer.some((path) => existsSync(path));
  return has ? undefined : "no rows of Parley on PostgreSQL: Debian's postgresql and nats-server are not installed";
}

/** So many nodes behind a plain balancer. Whatever they consist of counts as the server. */
export function parleyNodes(nodes: number): readonly Contestant[] {
  const rows = (["single", "batched"] as const).map((sending) => parleyRpc("plain-h1", sending));
  return rows.map((row) => ({
    ...row,
    name: `${row.name}, PostgreSQL × ${nodes}`,
    suits: (workload) => workload.kind === "send" && row.suits(workload),
    launch(dataDir) {
      transpilePeers(dataDir);
      const env = {
        NODES_FOLDER: dataDir,
        NODES_COUNT: String(nodes),
        POSTGRES_BIN: postgresBin() ?? "",
        PARLEY_MAIN: parleyMain,
      };
      return { script: join(dataDir, "parley-nodes-server.js"), args: [], env };
    },
  }));
}
