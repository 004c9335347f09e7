import {
  create,
  createRegistry,
  type DescFile,
  type DescService,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
} from "@parley/proto/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "@parley/proto/grpc/reflection/v1alpha/reflection_pb.js";

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/** The files and all they import, each once, imports first: the order protoc and buf require. */
function filesInOrder(roots: readonly DescFile[]): DescFile[] {
  const ordered = new Map<string, DescFile>();
  const add = (file: DescFile): void => {
    if (ordered.has(file.proto.name)) return;
    for (const dependency of file.dependencies) add(dependency); // imports form no cycles
    ordered.set(file.proto.name, file);
  };
  for (const file of roots) add(file);
  return [...ordered.values()];
}

/** The services with everything they need, as `buf generate https://host/descriptor.binpb` reads it. */
export function fileDescriptorSet(services: readonly DescService[]): Uint8Array {
  const file = filesInOrder(services.map((service) => service.file)).map((desc) => desc.proto);
  return toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file }));
}

/** Every full name that a client may ask for, fields and methods included. */
function symbolsOf(file: DescFile): string[] {
  const names: string[] = [];
  for (const desc of nestedTypes(file)) {
    names.push(desc.typeName);
    const inside = (name: string): void => void names.push(`${desc.typeName}.${name}`);
    if (desc.kind === "message") for (const member of [...desc.fields, ...desc.oneofs]) inside(member.name);
    if (desc.kind === "service") for (const method of desc.methods) inside(method.name);
    // Enum values live beside their enum, not in it.
    if (desc.kind === "enum") {
      const scope = desc.typeName.slice(0, desc.typeName.lastIndexOf(".") + 1);
      for (const value of desc.values) names.push(scope + value.name);
    }
  }
  return names;
}

/** Answers one question of the reflection protocol about the given services. */
export function createReflection(services: readonly DescService[]): (request: ServerReflectionRequest) => Answer {
  const files = filesInOrder(services.map((service) => service.file));
  const registry = createRegistry(...files);
  const byName = new Map(files.map((file) => [file.proto.name, file]));
  const bySymbol = new Map(files.flatMap((file) => symbolsOf(file).map((name) => [name, file] as const)));
  const bytes = new Map(files.map((file) => [file, toBinary(FileDescriptorProtoSchema, file.proto)]));

  const fail = (errorCode: Code, errorMessage: string): Answer => ({
    case: "errorResponse",
    value: { errorCode, errorMessage },
  });
  const withImports = (file: DescFile | undefined, what: string): Answer => {
    if (file === undefined) return fail(Code.NotFound, `${what} not found`);
    // The file asked for comes first, as clients without an order of their own expect.
    const fileDescriptorProto = filesInOrder([file])
      .reverse()
      .flatMap((each) => bytes.get(each) ?? []);
    return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
  };

  return ({ messageRequest: question }) => {
    switch (question.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: services.map(({ typeName: name }) => ({ name })) } };
      case "fileByFilename":
        return withImports(byName.get(question.value), "file");
      case "fileContainingSymbol":
        return withImports(bySymbol.get(question.value), "symbol");
      case "fileContainingExtension": {
        const extendee = registry.getMessage(question.value.containingType);
        const extension = extendee && registry.getExtensionFor(extendee, question.value.extensionNumber);
        return withImports(extension?.file, "extension");
      }
      case "allExtensionNumbersOfType": {
        const baseTypeName = question.value;
        if (registry.getMessage(baseTypeName) === undefined) return fail(Code.NotFound, "type not found");
        const extensionNumber: number[] = [];
        for (const desc of registry) {
          if (desc.kind === "extension" && desc.extendee.typeName === baseTypeName) extensionNumber.push(desc.number);
        }
        return { case: "allExtensionNumbersResponse", value: { baseTypeName, extensionNumber } };
      }
      default:
        return fail(Code.InvalidArgument, "the request asks nothing");
    }
  };
}

/** Serves grpc.reflection.v1 and v1alpha (most tools still ask for that first), which are alike but for their names. */
export function addReflection(router: ConnectRouter, services: readonly DescService[]): void {
  const answer = createReflection([...services, ServerReflection, ServerReflectionAlpha]);
  async function* serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>) {
    for await (const request of requests) {
      yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
    }
  }
  router.service(ServerReflection, { serverReflectionInfo });
  router.service(ServerReflectionAlpha as unknown as typeof ServerReflection, { serverReflectionInfo });
}
