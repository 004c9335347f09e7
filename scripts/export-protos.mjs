// Writes the protos that ours import, or that the server implements, into .proto-deps/, out of installed packages.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { printFile } from "./print-proto.mjs";

const out = join(import.meta.dirname, "../.proto-deps");
const { resolve } = createRequire(import.meta.url);
const health = dirname(resolve("grpc-health-check/package.json"));
const reflection = dirname(resolve("@grpc/reflection/package.json"));

function place(path, write) {
  const target = join(out, path);
  mkdirSync(dirname(target), { recursive: true });
  write(target);
}

rmSync(out, { recursive: true, force: true });
place("buf/validate/validate.proto", (target) => writeFileSync(target, printFile(file_buf_validate_validate)));
place("grpc/health/v1/health.proto", (target) => cpSync(join(health, "proto/health/v1/health.proto"), target));
for (const version of ["v1", "v1alpha"]) {
  const path = `grpc/reflection/${version}/reflection.proto`;
  place(path, (target) => cpSync(join(reflection, "build/proto", path), target));
}
