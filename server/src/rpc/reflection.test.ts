import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { Health } from "@parley/proto/grpc/health/v1/health_pb.js";
import {
  ExtensionRequestSchema,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
} from "@parley/proto/grpc/reflection/v1/reflection_pb.js";
import { MessageService } from "@parley/proto/parley/v1/message_service_pb.js";
import { describe, expect, test } from "vitest";
import { createReflection, fileDescriptorSet } from "./reflection.js";

const services = [MessageService, Health];
const answer = createReflection(services);

function ask(messageRequest: ServerReflectionRequest["messageRequest"]) {
  return answer(create(ServerReflectionRequestSchema, { messageRequest }));
}

function filesOf(given: ReturnType<typeof ask>): string[] {
  if (given.case !== "fileDescriptorResponse") throw new Error(`answered ${given.case}`);
  return (given.value.fileDescriptorProto ?? []).map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

/** protovalidate's rules of a field. */
const extension = (containingType: string) => create(ExtensionRequestSchema, { containingType, extensionNumber: 1159 });

const notFound = { case: "errorResponse", value: { errorCode: Code.NotFound } };

describe("fileDescriptorSet", () => {
  const { file } = fromBinary(FileDescriptorSetSchema, fileDescriptorSet(services));

  test("holds every file once and after all that it imports", () => {
    const seen = new Set<string>();
    for (const { name, dependency } of file) {
      expect(seen).not.toContain(name);
      for (const needed of dependency) expect(seen).toContain(needed);
      seen.add(name);
    }
  });

  test("is complete: the services can be rebuilt from it", () => {
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, fileDescriptorSet(services)));
    for (const { typeName, methods } of services) {
      expect(registry.getService(typeName)?.methods).toHaveLength(methods.length);
    }
  });
});

describe("reflection", () => {
  test("lists the services", () => {
    expect(ask({ case: "listServices", value: "" })).toEqual({
      case: "listServicesResponse",
      value: { service: services.map(({ typeName }) => ({ name: typeName })) },
    });
  });

  test.each([
    "parley.v1.MessageService",
    "parley.v1.MessageService.Subscribe",
    "parley.v1.SubscribeResponse",
    "parley.v1.SubscribeResponse.frame",
    "parley.v1.SubscribeResponse.heartbeat",
  ])("finds the file of %s, with all it imports", (value) => {
    const names = filesOf(ask({ case: "fileContainingSymbol", value }));
    expect(names[0]).toBe("parley/v1/message_service.proto");
    expect(names).toContain("google/protobuf/timestamp.proto");
  });

  test("finds an enum value in the scope of its enum", () => {
    const nested = "grpc.health.v1.HealthCheckResponse.NOT_SERVING";
    expect(filesOf(ask({ case: "fileContainingSymbol", value: nested }))).toEqual(["grpc/health/v1/health.proto"]);
  });

  test.each(["parley.v1.MessageService.Nope", "parley.v1.Nope", "parley.v1", "", "__proto__"])(
    "does not find %j",
    (value) => expect(ask({ case: "fileContainingSymbol", value })).toMatchObject(notFound),
  );

  test("finds a file by name, and its extensions by type and number", () => {
    expect(filesOf(ask({ case: "fileByFilename", value: "grpc/health/v1/health.proto" }))).toHaveLength(1);
    expect(ask({ case: "fileByFilename", value: "nope.proto" })).toMatchObject(notFound);
    const field = extension("google.protobuf.FieldOptions");
    expect(filesOf(ask({ case: "fileContainingExtension", value: field }))[0]).toBe("buf/validate/validate.proto");
    expect(ask({ case: "allExtensionNumbersOfType", value: field.containingType })).toMatchObject({
      value: { extensionNumber: expect.arrayContaining([1159]) },
    });
    for (const containingType of ["google.protobuf.MethodOptions", "nope"]) {
      const value = extension(containingType);
      expect(ask({ case: "fileContainingExtension", value })).toMatchObject(notFound);
    }
    expect(ask({ case: "allExtensionNumbersOfType", value: "nope" })).toMatchObject(notFound);
  });

  test("a request that asks nothing is answered by an error, not by the end of the stream", () => {
    expect(ask({ case: undefined })).toMatchObject({ value: { errorCode: Code.InvalidArgument } });
  });
});
