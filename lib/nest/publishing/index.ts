export type { MessageOptions } from './publish-options.js';
export { PublisherFactory } from './publisher-factory.js';
export { publisherProviders } from './publisher-slots.js';
export { Publisher, type BatchMessage } from './publisher.js';
