/**
 * What differs between the versions of RabbitMQ that the broker can play.
 *
 * The one place that knows versions: everything else asks for a named behaviour.
 */

import {
  argumentChecks310,
  argumentChecks43,
  knownArguments310,
  knownArguments43,
  type ArgumentChecks,
  type KnownArguments,
} from './argument-rules.js';
import { policyRules310, policyRules43, type PolicyRules } from './policy-rules.js';

/** A version of RabbitMQ whose behaviour can be emulated. */
export type EmulatedVersion = '3.10' | '4.3';

export interface Behaviour {
  /** The version the broker reports in its server properties. */
  readonly reportedVersion: string;
  /** exchange.declare with an unknown type: closes the connection with 503 (3.10), or the channel with 406. */
  readonly unknownExchangeTypeClosesConnection: boolean;
  /** Answers an unknown protocol header with that of AMQP 1.0; else with that of 0-9-1. */
  readonly pointsToAmqp1: boolean;
  /** x-queue-master-locator, of mirrored queues, closes the connection with 541. */
  readonly refusesMasterLocator: boolean;
  /** x-arguments that only consumers of streams know. */
  readonly streamConsumerArguments: readonly string[];
  /** The least frame_max a client may ask for, in bytes. */
  readonly leastFrameMax: number;
  /** max_message_size in bytes; a larger body is 406. */
  readonly maximumMessageSize: number;
  /** Delivery limit of quorum queues that set none; undefined: no limit. */
  readonly defaultDeliveryLimit: number | undefined;
  /** basic.nack, and basic.recover, count as a delivery that failed; basic.reject always does. */
  readonly nackCountsAsDelivery: boolean;
  /** Quorum queues write x-acquired-count; else x-delivery-count with every basic.get, also where it is 0. */
  readonly countsAcquisitions: boolean;
  /** A message whose delivery failed keeps the redelivered flag wherever it is dead-lettered to. */
  readonly deadLettersStayRedelivered: boolean;
  /** basic.qos knows limits of a whole channel; else they are limits of each consumer to come. */
  readonly permitsGlobalPrefetch: boolean;
  /** Quorum queues deliver by priority, from 0 to 31, and take 4 for none. */
  readonly quorumQueuesPrioritise: boolean;
  /** The single active consumer of a quorum queue makes way for one of higher priority. */
  readonly activeConsumersYield: boolean;
  /**
   * What the consumers of a channel hold when it ends comes back to a quorum queue in the order in which they came,
   * then what was got; else in the order of their tags, and what was got first.
   */
  readonly returnsByAgeOfConsumers: boolean;
  /** x-max-length-bytes of quorum queues counts properties too. */
  readonly quorumQueuesCountProperties: boolean;
  /** The type of queue as a refusal of basic.get prints it. */
  readonly quorumName: string;
  /** A negative x-delivery-limit is none; else no message may come back. */
  readonly negativeLimitIsNone: boolean;
  /** x-max-priority is at least this. */
  readonly leastMaximumPriority: number;
  /** An expiration is passed on as a plain number, whatever the publisher wrote. */
  readonly rewritesExpiration: boolean;
  /** The CC header stays where x-dead-letter-routing-key replaces the routing keys. */
  readonly keepsCopiesOfDeadLetters: boolean;
  /** A second declaration without x-queue-type is compared as a classic one. */
  readonly defaultsQueueType: boolean;
  /** The x-arguments that each type of queue knows, and how they are checked. */
  readonly knownArguments: KnownArguments;
  readonly argumentChecks: ArgumentChecks;
  /** What may stand in a policy. */
  readonly policyRules: PolicyRules;
  /** `expires` of a policy stands before x-expires of a quorum queue; else the lower of both counts. */
  readonly quorumPoliciesSetExpiry: boolean;
  /** A publish is refused for another user's user_id only when all else is right. */
  readonly checksUserLast: boolean;
  /** x-death headers that a client wrote are continued by the broker. */
  readonly readsClientDeaths: boolean;
  /** Dead letters carry x-last-death-* headers too. */
  readonly writesLastDeath: boolean;
  /** Refusals name the permission that is missing, as `write access to ...`. */
  readonly namesMissingPermission: boolean;
  /** A passive declare needs some permission, whichever; else none. */
  readonly guardsPassiveDeclares: boolean;
}

const behaviours: Record<EmulatedVersion, Behaviour> = {
  '3.10': {
    reportedVersion: '3.10.8',
    unknownExchangeTypeClosesConnection: true,
    pointsToAmqp1: false,
    refusesMasterLocator: false,
    streamConsumerArguments: ['x-stream-offset'],
    leastFrameMax: 4096,
    maximumMessageSize: 128 * 1024 * 1024,
    defaultDeliveryLimit: undefined,
    nackCountsAsDelivery: true,
    countsAcquisitions: false,
    deadLettersStayRedelivered: false,
    permitsGlobalPrefetch: true,
    quorumQueuesPrioritise: false,
    activeConsumersYield: false,
    returnsByAgeOfConsumers: false,
    quorumQueuesCountProperties: false,
    quorumName: 'quorum',
    negativeLimitIsNone: false,
    leastMaximumPriority: 0,
    rewritesExpiration: false,
    keepsCopiesOfDeadLetters: false,
    defaultsQueueType: false,
    knownArguments: knownArguments310,
    argumentChecks: argumentChecks310,
    policyRules: policyRules310,
    quorumPoliciesSetExpiry: true,
    checksUserLast: false,
    readsClientDeaths: true,
    writesLastDeath: false,
    namesMissingPermission: false,
    guardsPassiveDeclares: false,
  },
  '4.3': {
    reportedVersion: '4.3.0',
    unknownExchangeTypeClosesConnection: false,
    pointsToAmqp1: true,
    refusesMasterLocator: true,
    streamConsumerArguments: ['x-stream-offset', 'x-stream-filter', 'x-stream-match-unfiltered'],
    leastFrameMax: 8192,
    maximumMessageSize: 16 * 1024 * 1024,
    defaultDeliveryLimit: 20,
    nackCountsAsDelivery: false,
    countsAcquisitions: true,
    deadLettersStayRedelivered: true,
    permitsGlobalPrefetch: false,
    quorumQueuesPrioritise: true,
    activeConsumersYield: true,
    returnsByAgeOfConsumers: true,
    quorumQueuesCountProperties: true,
    quorumName: '<<"quorum">>',
    negativeLimitIsNone: true,
    leastMaximumPriority: 1,
    rewritesExpiration: true,
    keepsCopiesOfDeadLetters: true,
    defaultsQueueType: true,
    knownArguments: knownArguments43,
    argumentChecks: argumentChecks43,
    policyRules: policyRules43,
    quorumPoliciesSetExpiry: false,
    checksUserLast: true,
    readsClientDeaths: false,
    writesLastDeath: true,
    namesMissingPermission: true,
    guardsPassiveDeclares: true,
  },
};

/** The versions that can be emulated. */
export const emulatedVersions = Object.keys(behaviours) as readonly EmulatedVersion[];

export function behaviourOf(version: EmulatedVersion): Behaviour {
  return behaviours[version];
}
