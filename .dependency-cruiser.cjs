// The rooms of the server and the borders between the packages (ARCHITECTURE.md). A room may always import itself.
const rooms = {
  rpc: ["domain", "delivery", "ops", "ports.ts"],
  domain: ["store", "ops", "ports.ts"],
  delivery: ["store", "ops", "ports.ts"],
  push: ["store", "ops", "ports.ts"],
  store: ["ops", "ports.ts"],
  http: ["ops", "ports.ts"],
  cli: ["config.ts", "index.ts", "ops"],
  ops: [],
};
// The table of limits and defaults is a leaf that every room may read.
for (const others of Object.values(rooms)) others.push("limits.ts");
const mayImportGen = ["rpc", "domain", "delivery", "push", "store", "cli"];

function roomRule([room, others]) {
  const inside = `^server/src/(${[room, ...others].join("|").replaceAll(".", "\\.")})(/|$)`;
  return {
    name: `room-${room}`,
    comment: `${room}/ imports only ${[...others, ...(mayImportGen.includes(room) ? ["gen"] : [])].join(", ") || "itself"}.`,
    severity: "error",
    // A room's tests may use test/support too.
    from: { path: `^server/src/${room}/`, pathNot: "\\.test\\.ts$" },
    to: {
      path: "^(server|client|web|test|gen)/(?!node_modules/)",
      pathNot: mayImportGen.includes(room) ? [inside, "^gen/"] : [inside],
    },
  };
}

function onlyIn(name, packages, where, from = "^server/src/") {
  return {
    name,
    severity: "error",
    from: { path: from, pathNot: where },
    to: { path: `(^|/)node_modules/(${packages})(/|$)` },
  };
}

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-unresolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    ...Object.entries(rooms).map(roomRule),
    {
      name: "ports-are-types",
      comment: "ports.ts describes the seams in terms of nothing but generated types.",
      severity: "error",
      from: { path: "^server/src/ports\\.ts$" },
      to: { path: "^(server|client|web|test)/" },
    },
    {
      name: "nobody-imports-the-top",
      comment:
        "Rooms get settings and parts as arguments; only app with its parts (backends, keeper, node), index and main know who wires them.",
      severity: "error",
      from: {
        path: "^server/src/",
        pathNot: "^server/src/((app|backends|keeper|node|index|main|config)(\\.test)?\\.ts$|cli/)",
      },
      to: { path: "^server/src/(app|backends|keeper|node|index|main|config|(s3|nats)-settings)\\.ts$" },
    },
    {
      name: "config-and-limits-are-leaves",
      severity: "error",
      from: { path: "^server/src/(config|(s3|nats)-settings|limits)\\.ts$" },
      to: { path: "^(server|client|web|test|gen)/", pathNot: "^server/src/(s3|nats)-settings\\.ts$" },
    },
    onlyIn("connect-only-in-rpc", "@connectrpc", "^server/src/(rpc/|cli/|app\\.ts$)"),
    onlyIn("sql-only-in-store", "kysely|better-sqlite3|pg", "^server/src/store/"),
    onlyIn("nats-only-in-its-bus", "@nats-io", "^server/src/delivery/nats-bus(\\.test)?\\.ts$"),
    onlyIn("s3-only-in-its-objects", "aws4fetch", "^server/src/store/s3-objects(\\.test)?\\.ts$"),
    onlyIn("apn-only-in-its-sender", "node-apn|@parse", "^server/src/push/apns(\\.test)?\\.ts$"),
    onlyIn(
      "node-transport-only-in-node-entry",
      "@connectrpc/connect-node",
      "^client/src/platform/node",
      "^client/src/",
    ),
    onlyIn("web-transport-only-in-web-entry", "@connectrpc/connect-web", "^client/src/platform/web", "^client/src/"),
    {
      name: "client-runs-anywhere",
      comment: "Only the Node entry of the SDK, and tests, may use what Node alone has.",
      severity: "error",
      from: { path: "^client/src/", pathNot: "^client/src/platform/node|\\.test\\.ts$" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "stream-state-is-pure",
      severity: "error",
      from: { path: "^client/src/stream-state\\.ts$" },
      to: {},
    },
    {
      name: "server-not-to-client",
      severity: "error",
      from: { path: "^server/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(client|web|test)/" },
    },
    {
      name: "client-not-to-server",
      severity: "error",
      from: { path: "^client/" },
      to: { path: "^(server|web|test)/" },
    },
    { name: "web-uses-the-sdk", severity: "error", from: { path: "^web/" }, to: { path: "^(server|test)/" } },
  ],
  options: {
    // The bench turns its peers into JavaScript there.
    exclude: { path: "^test/bench/\\.work/" },
    doNotFollow: { path: "(^|/)(node_modules|dist)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
      extensions: [".ts", ".js", ".mjs", ".json"],
    },
  },
};
