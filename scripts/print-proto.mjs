// Prints the .proto source of a descriptor, for packages that embed a descriptor but ship no source.
// Covers what proto2 and proto3 files without services need; comments are not part of a descriptor.
import { createRegistry, getExtension, hasExtension, ScalarType } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import {
  Edition,
  EnumOptionsSchema,
  EnumValueOptionsSchema,
  FieldOptionsSchema,
  FileOptionsSchema,
  FieldDescriptorProto_Label as Label,
  MessageOptionsSchema,
  OneofOptionsSchema,
} from "@bufbuild/protobuf/wkt";

const MAX_FIELD = 536870911;
const MAX_ENUM = 2147483647;

const quote = (text) => JSON.stringify(text).replace(/[^\x20-\x7e]/g, escapeUnit);
const escapeUnit = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

function unsupported(what) {
  throw new Error(`print-proto: ${what} is not supported`);
}

function scalarLiteral(type, value) {
  if (type === ScalarType.STRING) return quote(value);
  if (type === ScalarType.BYTES) return unsupported("a bytes literal");
  if (typeof value === "number" && !Number.isFinite(value))
    return String(value).replace("Infinity", "inf").toLowerCase();
  return String(value);
}

function enumLiteral(desc, value) {
  return desc.value[value]?.name ?? String(value);
}

/** One or several `name separator value` items: a repeated field is repeated, as the text format has it. */
function fieldLiterals(field, value) {
  if (field.fieldKind === "map") return unsupported(`the map ${field} in an option`);
  const values = field.fieldKind === "list" ? [...value] : [value];
  return values.map((item) => {
    if (field.message) return `{ ${messageLiteral(field.message, item.message ?? item)} }`;
    return field.enum ? enumLiteral(field.enum, item) : scalarLiteral(field.scalar, item);
  });
}

function messageLiteral(schema, message) {
  const view = reflect(schema, message);
  return schema.fields
    .filter((field) => view.isSet(field))
    .flatMap((field) => fieldLiterals(field, view.get(field)).map((literal) => `${field.name}: ${literal}`))
    .join(", ");
}

/** `name = literal` for each option that is set, custom options of the same file included. */
function optionList(schema, options, extensions) {
  if (!options) return [];
  const view = reflect(schema, options);
  const known = schema.fields
    .filter((field) => view.isSet(field))
    .flatMap((field) => fieldLiterals(field, view.get(field)).map((literal) => `${field.name} = ${literal}`));
  const custom = extensions
    .filter((extension) => extension.extendee.typeName === schema.typeName && hasExtension(options, extension))
    .flatMap((extension) =>
      fieldLiterals(extension, getExtension(options, extension)).map(
        (literal) => `(${extension.typeName}) = ${literal}`,
      ),
    );
  return [...known, ...custom];
}

function reservedLines(proto, inclusive, max) {
  const numbers = rangeList(proto.reservedRange, inclusive, max);
  const names = proto.reservedName.map(quote).join(", ");
  return [...(numbers ? [`reserved ${numbers};`] : []), ...(names ? [`reserved ${names};`] : [])];
}

function rangeList(ranges, inclusive, max) {
  return ranges
    .map(({ start, end }) => {
      const last = inclusive ? end : end - 1;
      if (last === start) return String(start);
      return `${start} to ${last >= max ? "max" : last}`;
    })
    .join(", ");
}

const indent = (lines) => lines.map((line) => `  ${line}`);
const block = (head, lines) => [`${head} {`, ...indent(lines), "}"];
const scalarName = (type) => ScalarType[type].toLowerCase();
const bracket = (list) => (list.length ? ` [${list.join(", ")}]` : "");

function typeName(field) {
  const named = field.message ?? field.enum;
  return named ? `.${named.typeName}` : scalarName(field.scalar);
}

export function printFile(file) {
  const extensions = [...createRegistry(file)].filter((desc) => desc.kind === "extension");
  const options = (schema, desc) => optionList(schema, desc.proto.options, extensions);
  const optionLines = (schema, desc) => options(schema, desc).map((option) => `option ${option};`);

  function label(field) {
    if (field.oneof) return "";
    if (field.fieldKind === "list") return "repeated ";
    if (field.proto.label === Label.REQUIRED) return "required ";
    return file.edition === Edition.EDITION_PROTO2 || field.proto.proto3Optional ? "optional " : "";
  }

  function fieldLine(field) {
    if (field.proto.defaultValue) unsupported(`the default value of ${field}`);
    if (field.delimitedEncoding) unsupported(`the group ${field}`);
    const type =
      field.fieldKind === "map"
        ? `map<${scalarName(field.mapKey)}, ${typeName(field)}>`
        : label(field) + typeName(field);
    return `${type} ${field.proto.name} = ${field.number}${bracket(options(FieldOptionsSchema, field))};`;
  }

  const extensionLines = (desc) => block(`extend .${desc.extendee.typeName}`, [fieldLine(desc)]);

  function enumLines(desc) {
    return block(`enum ${desc.name}`, [
      ...optionLines(EnumOptionsSchema, desc),
      ...desc.values.map((it) => `${it.name} = ${it.number}${bracket(options(EnumValueOptionsSchema, it))};`),
      ...reservedLines(desc.proto, true, MAX_ENUM),
    ]);
  }

  function oneofLines(desc) {
    return block(`oneof ${desc.name}`, [...optionLines(OneofOptionsSchema, desc), ...desc.fields.map(fieldLine)]);
  }

  function messageLines(desc) {
    return block(`message ${desc.name}`, [
      ...optionLines(MessageOptionsSchema, desc),
      ...desc.nestedEnums.flatMap(enumLines),
      ...desc.nestedMessages.flatMap(messageLines),
      ...desc.nestedExtensions.flatMap(extensionLines),
      ...desc.members.flatMap((member) => (member.kind === "oneof" ? oneofLines(member) : [fieldLine(member)])),
      ...desc.proto.extensionRange.map((range) => `extensions ${rangeList([range], false, MAX_FIELD)};`),
      ...reservedLines(desc.proto, false, MAX_FIELD),
    ]);
  }

  const { proto } = file;
  if (file.edition !== Edition.EDITION_PROTO2 && file.edition !== Edition.EDITION_PROTO3) unsupported("an edition");
  if (file.services.length > 0) unsupported("a service");
  const lines = [
    `syntax = "${proto.syntax || "proto2"}";`,
    `package ${proto.package};`,
    ...proto.dependency.map((path) => `import ${quote(path)};`),
    ...optionLines(FileOptionsSchema, file),
    ...file.enums.flatMap(enumLines),
    ...file.messages.flatMap(messageLines),
    ...file.extensions.flatMap(extensionLines),
  ];
  return `${lines.join("\n")}\n`;
}
