/** The protocol layer's face: what connection, channel and the embedded broker use of it. */
export { ByteReader } from './byte-reader.js';
export { ByteWriter } from './byte-writer.js';
export {
  maximumFieldDepth,
  readTable,
  TypedField,
  writeTable,
  type FieldTable,
  type FieldType,
  type FieldValue,
} from './field-table.js';
export { copyTable } from './table-copy.js';
export { FrameParser, type FrameLimits, type FrameSink } from './frame-parser.js';
export {
  copiedBodyLimit,
  frameEnd,
  frameOverhead,
  frameTypes,
  heartbeatFrame,
  minimumFrameMax,
  protocolHeader,
  writeAck,
  writeContent,
  writeHeartbeat,
  writeMethod,
  type ContentMethod,
} from './frames.js';
export {
  methodIds,
  readProperties,
  writeProperties,
  type BasicProperties,
  type Method,
  type MethodFields,
  type MethodInputs,
  type MethodName,
} from './generated/methods.js';
export { PublishEncoder } from './publish-encoder.js';
export { failedMethodName, methodFields, methodName, readMethod, repliesTo } from './methods.js';
export { replyCodes, type Domain } from './spec.js';
