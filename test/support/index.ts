export * from "./clients.js";
export * from "./errors.js";
export * from "./eventually.js";
export * from "./server.js";
export * from "./stream.js";
