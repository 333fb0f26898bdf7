/** What `leveret` exports of formats, compression and layouts. */
export { ANY_PATTERN } from './any-pattern.js';
export type { Compress, CompressionEncoding, CompressOptions } from './compression.js';
export { celery, type CeleryTask } from './layouts/celery.js';
export { massTransit } from './layouts/mass-transit.js';
export { spring } from './layouts/spring.js';
export type { AboutMessage, MessageFormat } from './message-format.js';
export type { MessageLayout, PatternPlace, PayloadPlace } from './message-layout.js';
