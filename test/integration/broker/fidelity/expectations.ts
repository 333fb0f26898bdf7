/** What real RabbitMQ answered; written by test/differential/record.ts, and to be read before it is kept. */
type Expectation = { readonly all: readonly string[] } | Readonly<Record<'3.10' | '4.3', readonly string[]>>;

export const expectations: Readonly<Record<string, Expectation>> = {
  'an exclusive queue is not durable, whatever was asked': {
    all: [
      '0 channel 0: queue.declare-ok queue=~q messageCount=0 consumerCount=0',
      '1 channel 0: queue.declare-ok queue=~q messageCount=0 consumerCount=0',
      '2 ~q: 0 messages, 0 consumers',
      '4 ~q: 0 messages, 0 consumers',
    ],
  },
  'names under amq. are refused to a queue that is there too': {
    '3.10': [
      "0 channel 0: channel.close ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*' (403 50 10)",
      "1 connection 0: connection.close COMMAND_INVALID - invalid exchange type 'nothing' (503 40 10)",
    ],
    '4.3': [
      "0 channel 0: channel.close ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*' (403 50 10)",
      "1 channel 0: channel.close PRECONDITION_FAILED - invalid exchange type 'nothing' (406 40 10)",
    ],
  },
  'a passive declare takes an empty name for a name': {
    all: [
      "0 channel 0: channel.close NOT_FOUND - no queue '' in vhost '/' (404 50 10)",
      '1 ~q: 0 messages, 0 consumers',
      '2 ~q: 0 messages, 0 consumers',
    ],
  },
  'line breaks go out of names that are looked for': {
    all: [
      '0 channel 0: queue.declare-ok queue=~q messageCount=0 consumerCount=0',
      '1 ~q: 0 messages, 0 consumers',
      '1 ~q\n: 0 messages, 0 consumers',
      '3 ~q: 0 messages, 0 consumers',
      '3 ~q\n: 0 messages, 0 consumers',
    ],
  },
  'who may not use a queue may unbind it from where it is not bound': {
    all: [
      '0 channel 2: queue.unbind-ok ',
      "1 channel 2: channel.close RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '~q' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration. (405 50 50)",
      '2 ~q: 0 messages, 0 consumers',
      '4 ~q: 0 messages, 0 consumers',
    ],
  },
  'what is wrong with a binding comes before whose queue it is for': {
    all: [
      "0 channel 2: channel.close NOT_FOUND - no queue '~none' in vhost '/' (404 50 20)",
      '1 channel 2: channel.close PRECONDITION_FAILED - Invalid x-match field type signedint (value 5); expected longstr (406 50 20)',
      "2 channel 2: channel.close RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '~q' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration. (405 50 20)",
      '3 ~q: 0 messages, 0 consumers',
      '5 ~q: 0 messages, 0 consumers',
    ],
  },
  'a quorum queue goes on counting what failed in the queue that a message died in': {
    '3.10': [
      "0 channel 0 to a: '' '~q' {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected'}} m2",
      "1 channel 0 to a: '' '~q' again {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-delivery-count:l1,x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected'}} m2",
      "2 channel 0 to a: '' '~q' again {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-delivery-count:l2,x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected'}} m2",
      '3 ~q: 0 messages, 1 consumers',
      '5 ~q: 1 messages, 0 consumers',
      "6 ~q: '' '~q' again {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-delivery-count:l3,x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected'}} m2",
    ],
    '4.3': [
      "0 channel 0 to a: '' '~q' again {headers:{x-acquired-count:l1,x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-delivery-count:l1,x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected',x-last-death-exchange:'',x-last-death-queue:'~q',x-last-death-reason:'rejected'}} m2",
      "1 channel 0 to a: '' '~q' again {headers:{x-acquired-count:l1,x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-delivery-count:l2,x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected',x-last-death-exchange:'',x-last-death-queue:'~q',x-last-death-reason:'rejected'}} m2",
      "2 channel 0 to a: '' '~q' again {headers:{x-acquired-count:l2,x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-delivery-count:l3,x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected',x-last-death-exchange:'',x-last-death-queue:'~q',x-last-death-reason:'rejected'}} m2",
      '3 ~q: 0 messages, 1 consumers',
      '5 ~q: 1 messages, 0 consumers',
      "6 ~q: '' '~q' again {headers:{x-acquired-count:l3,x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-delivery-count:l4,x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected',x-last-death-exchange:'',x-last-death-queue:'~q',x-last-death-reason:'rejected'}} m2",
    ],
  },
  'a classic queue shows nothing of the counts of the quorum queue that a message died in': {
    '3.10': [
      "0 channel 0: basic.get-ok '' '~c' {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected'}} m3, 0 left",
      '1 ~c: 0 messages, 0 consumers',
      '1 ~q: 0 messages, 1 consumers',
      '3 ~c: 0 messages, 0 consumers',
      '3 ~q: 0 messages, 0 consumers',
    ],
    '4.3': [
      "0 channel 0: basic.get-ok '' '~c' again {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected',x-last-death-exchange:'',x-last-death-queue:'~q',x-last-death-reason:'rejected'}} m3, 0 left",
      '1 ~c: 0 messages, 0 consumers',
      '1 ~q: 0 messages, 1 consumers',
      '3 ~c: 0 messages, 0 consumers',
      '3 ~q: 0 messages, 0 consumers',
    ],
  },
  'that no queue was declared comes before a consumer tag that is in use': {
    all: [
      '0 channel 0: channel.close NOT_FOUND - no previously declared queue (404 60 20)',
      '1 ~q: 0 messages, 0 consumers',
      '3 ~q: 0 messages, 0 consumers',
    ],
  },
  'an argument that only other queues know': {
    all: [
      "0 channel 0: channel.close PRECONDITION_FAILED - invalid arg 'x-delivery-limit' for queue '~q' in vhost '/' of queue type rabbit_classic_queue (406 50 10)",
      "1 channel 0: channel.close PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue '~q' in vhost '/' of queue type rabbit_quorum_queue (406 50 10)",
      "2 ~q: NOT_FOUND - no queue '~q' in vhost '/'",
      "3 ~q: NOT_FOUND - no queue '~q' in vhost '/'",
    ],
  },
  'wrong values of arguments': {
    all: [
      "0 channel 0: channel.close PRECONDITION_FAILED - invalid arg 'x-expires' for queue '~q' in vhost '/': {value_zero,0} (406 50 10)",
      "1 channel 0: channel.close PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue '~q' in vhost '/': {value_too_large,999999999999} (406 50 10)",
      "2 channel 0: channel.close PRECONDITION_FAILED - invalid arg 'x-overflow' for queue '~q' in vhost '/': {unacceptable_type,bool} (406 50 10)",
      "3 channel 0: channel.close PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue '~q' in vhost '/': {max_value_exceeded,256} (406 50 10)",
      "4 channel 0: channel.close PRECONDITION_FAILED - invalid arg 'x-queue-version' for queue '~q' in vhost '/': \"unsupported queue version '7'\" (406 50 10)",
      "5 channel 0: channel.close PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue '~q' in vhost '/': {unacceptable_type,void} (406 50 10)",
      "6 ~q: NOT_FOUND - no queue '~q' in vhost '/'",
      "7 ~q: NOT_FOUND - no queue '~q' in vhost '/'",
    ],
  },
  'a second declaration is compared in the order of the arguments that the queue knows': {
    all: [
      "0 channel 0: channel.close PRECONDITION_FAILED - inequivalent arg 'x-expires' for queue '~q' in vhost '/': received '500000' but current is '600000' (406 50 10)",
      "1 channel 0: channel.close PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '~q' in vhost '/': received none but current is the value '1' of type 'signedint' (406 50 10)",
      '2 ~q: 0 messages, 0 consumers',
      '3 ~q: 0 messages, 0 consumers',
    ],
  },
  'an exchange that is there is compared before its arguments are checked': {
    all: [
      "0 channel 0: channel.close PRECONDITION_FAILED - inequivalent arg 'type' for exchange '~e' in vhost '/': received 'topic' but current is 'fanout' (406 40 10)",
      "1 channel 0: channel.close PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in exchange '~f' in vhost '/' (406 40 10)",
    ],
  },
  'x-match of a wrong type, and of a wrong value': {
    all: [
      '0 channel 0: channel.close PRECONDITION_FAILED - Invalid x-match field type signedint (value 5); expected longstr (406 50 20)',
      '1 channel 0: channel.close PRECONDITION_FAILED - Invalid x-match field value <<"none">>; expected all, any, all-with-x, or any-with-x (406 50 20)',
      '2 ~q: 0 messages, 0 consumers',
      '3 ~q: 0 messages, 0 consumers',
    ],
  },
  'a queue with a single active consumer has no exclusive one': {
    all: [
      "0 channel 0: channel.close ACCESS_REFUSED - queue '~q' in vhost '/' in exclusive use (403 60 20)",
      '1 ~q: 0 messages, 0 consumers',
      '2 ~q: 0 messages, 0 consumers',
    ],
  },
  expirations: {
    '3.10': [
      '1 channel 0: channel.close PRECONDITION_FAILED - invalid expiration \'5 \': {leftover_string," "} (406 60 40)',
      "2 channel 0: channel.close PRECONDITION_FAILED - invalid expiration ' 5': no_integer (406 60 40)",
      "3 channel 0: channel.close PRECONDITION_FAILED - invalid expiration '': no_integer (406 60 40)",
      "4 channel 0: channel.close PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1} (406 60 40)",
      "5 channel 0: channel.close PRECONDITION_FAILED - invalid expiration '999999999999': {value_too_large,999999999999} (406 60 40)",
      "6 channel 0: basic.get-ok '' '~q' {expiration:+600000} m1, 0 left",
      '7 ~q: 0 messages, 0 consumers',
      '9 ~q: 1 messages, 0 consumers',
      "10 ~q: '' '~q' again {expiration:+600000} m1",
    ],
    '4.3': [
      '1 channel 0: channel.close PRECONDITION_FAILED - invalid expiration \'5 \': {leftover_string," "} (406 60 40)',
      "2 channel 0: channel.close PRECONDITION_FAILED - invalid expiration ' 5': no_integer (406 60 40)",
      "3 channel 0: channel.close PRECONDITION_FAILED - invalid expiration '': no_integer (406 60 40)",
      "4 channel 0: channel.close PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1} (406 60 40)",
      "5 channel 0: channel.close PRECONDITION_FAILED - invalid expiration '999999999999': {value_too_large,999999999999} (406 60 40)",
      "6 channel 0: basic.get-ok '' '~q' {expiration:600000} m1, 0 left",
      '7 ~q: 0 messages, 0 consumers',
      '9 ~q: 1 messages, 0 consumers',
      "10 ~q: '' '~q' again {expiration:600000} m1",
    ],
  },
  'wrong in more than one way: which is told': {
    '3.10': [
      "0 channel 0: channel.close PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest' (406 60 40)",
      "1 channel 0: channel.close PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest' (406 60 40)",
      '2 ~q: 0 messages, 0 consumers',
      '3 ~q: 0 messages, 0 consumers',
    ],
    '4.3': [
      "0 channel 0: channel.close PRECONDITION_FAILED - invalid expiration 'x': no_integer (406 60 40)",
      '1 channel 0: channel.close PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,"CC",signedint} (406 60 40)',
      '2 ~q: 0 messages, 0 consumers',
      '3 ~q: 0 messages, 0 consumers',
    ],
  },
  'headers keep their types where one of them goes': {
    all: [
      "1 channel 0: basic.get-ok '' '~none' {headers:{big:l5000000000,none:void,yes:true}} m1, 0 left",
      '2 ~q: 0 messages, 0 consumers',
      '4 ~q: 1 messages, 0 consumers',
      "5 ~q: '' '~none' again {headers:{big:l5000000000,none:void,yes:true}} m1",
    ],
  },
  'a message in a full queue is dropped when it comes back': {
    all: ['1 ~q: 0 messages, 0 consumers', '3 ~q: 0 messages, 0 consumers'],
  },
  'a consumer that was full waits behind the others': {
    all: [
      "0 channel 0 to b: '' '~q' m6",
      "2 channel 0 to a: '' '~q' m8",
      '4 ~q: 0 messages, 2 consumers',
      '6 ~q: 1 messages, 0 consumers',
      "7 ~q: '' '~q' again m8",
    ],
  },
  'a limit for each consumer lifts that of the channel': {
    '3.10': [
      '0 channel 0: basic.qos-ok ',
      "0 channel 0 to a: '' '~q' m4",
      '1 ~q: 0 messages, 1 consumers',
      '3 ~q: 2 messages, 0 consumers',
      "4 ~q: '' '~q' again m3",
      "4 ~q: '' '~q' again m4",
    ],
    '4.3': [
      '0 channel 0: basic.qos-ok ',
      '1 ~q: 1 messages, 1 consumers',
      '3 ~q: 2 messages, 0 consumers',
      "4 ~q: '' '~q' again m3",
      "4 ~q: '' '~q' m4",
    ],
  },
  'messages counted by basic.get are without those that expired behind': {
    all: [
      "0 channel 0: basic.get-ok '' '~q' m1, 1 left",
      '1 ~q: 1 messages, 0 consumers',
      '3 ~q: 2 messages, 0 consumers',
      "4 ~q: '' '~q' again m1",
      "4 ~q: '' '~q' m3",
    ],
  },
  'with priorities, an expired message at the head stays until the next delivery': {
    all: [
      '0 channel 0: queue.declare-ok queue=~q messageCount=2 consumerCount=0',
      '1 ~q: 2 messages, 0 consumers',
      '3 ~q: 2 messages, 0 consumers',
      "4 ~q: '' '~q' {priority:2,expiration:0} m2",
      "4 ~q: '' '~q' {priority:1} m1",
    ],
  },
  'x-max-priority 0': {
    '3.10': [
      "0 channel 0: basic.get-ok '' '~q' m1, 1 left",
      "1 channel 0: basic.get-ok '' '~q' {priority:9} m2, 0 left",
      '2 ~q: 0 messages, 0 consumers',
      '4 ~q: 2 messages, 0 consumers',
      "5 ~q: '' '~q' again m1",
      "5 ~q: '' '~q' again {priority:9} m2",
    ],
    '4.3': [
      "0 channel 0: basic.get-ok '' '~q' {priority:9} m2, 1 left",
      "1 channel 0: basic.get-ok '' '~q' m1, 0 left",
      '2 ~q: 0 messages, 0 consumers',
      '4 ~q: 2 messages, 0 consumers',
      "5 ~q: '' '~q' again {priority:9} m2",
      "5 ~q: '' '~q' again m1",
    ],
  },
  'a transaction that a full queue refuses a part of': {
    all: [
      '0 channel 0: channel.close PRECONDITION_FAILED - partial tx completion (406 90 20)',
      '1 ~q: 0 messages, 0 consumers',
      '2 ~q: 0 messages, 0 consumers',
    ],
  },
  'a transaction routes by the bindings at the time of the publish': {
    all: [
      '0 channel 1: queue.bind-ok ',
      '1 channel 0: basic.return replyCode=312 replyText=NO_ROUTE exchange=~e routingKey= m3',
      '1 channel 0: tx.commit-ok ',
      '2 ~q: 0 messages, 0 consumers',
      '5 ~q: 0 messages, 0 consumers',
    ],
  },
  'the default exchange as an alternate finds no queue': {
    all: [
      '0 channel 0: basic.return replyCode=312 replyText=NO_ROUTE exchange=~e routingKey=~q m2',
      '1 ~q: 0 messages, 0 consumers',
      '3 ~q: 0 messages, 0 consumers',
    ],
  },
  'a quorum queue takes one message more than it should, and counts a get as a consumer': {
    '3.10': [
      "0 channel 0: basic.get-ok '' '~q' {headers:{x-delivery-count:l0}} m1, 0 left",
      '1 channel 0: queue.declare-ok queue=~q messageCount=0 consumerCount=1',
      '2 ~q: 0 messages, 1 consumers',
      '4 ~q: 1 messages, 0 consumers',
      "5 ~q: '' '~q' again {headers:{x-delivery-count:l1}} m1",
    ],
    '4.3': [
      "0 channel 0: basic.get-ok '' '~q' m1, 0 left",
      '1 channel 0: queue.declare-ok queue=~q messageCount=0 consumerCount=1',
      '2 ~q: 0 messages, 1 consumers',
      '4 ~q: 1 messages, 0 consumers',
      "5 ~q: '' '~q' again {headers:{x-acquired-count:l1,x-delivery-count:l1}} m1",
    ],
  },
  'what comes back to a quorum queue that is full goes to a consumer before it is too much': {
    '3.10': [
      "0 channel 0 to a: '' '~q' again {headers:{x-delivery-count:l1}} m2",
      '1 channel 0: basic.cancel-ok consumerTag=a',
      '3 ~q: 0 messages, 0 consumers',
      '5 ~q: 0 messages, 0 consumers',
    ],
    '4.3': [
      "0 channel 0 to a: '' '~q' again {headers:{x-acquired-count:l1,x-delivery-count:l1}} m2",
      '1 channel 0: basic.cancel-ok consumerTag=a',
      '3 ~q: 0 messages, 0 consumers',
      '5 ~q: 0 messages, 0 consumers',
    ],
  },
  'a quorum queue delivers what came back first, or last': {
    '3.10': [
      "0 channel 0: basic.get-ok '' '~q' {headers:{x-delivery-count:l0}} m1, 2 left",
      "1 channel 0: basic.get-ok '' '~q' {headers:{x-delivery-count:l0}} m2, 1 left",
      '4 ~q: 3 messages, 0 consumers',
      '6 ~q: 3 messages, 0 consumers',
      "7 ~q: '' '~q' {headers:{x-delivery-count:l0}} m3",
      "7 ~q: '' '~q' again {headers:{x-delivery-count:l1}} m2",
      "7 ~q: '' '~q' again {headers:{x-delivery-count:l1}} m1",
    ],
    '4.3': [
      "0 channel 0: basic.get-ok '' '~q' m1, 2 left",
      "1 channel 0: basic.get-ok '' '~q' m2, 1 left",
      '4 ~q: 3 messages, 0 consumers',
      '6 ~q: 3 messages, 0 consumers',
      "7 ~q: '' '~q' again {headers:{x-acquired-count:l1}} m2",
      "7 ~q: '' '~q' again {headers:{x-acquired-count:l1}} m1",
      "7 ~q: '' '~q' m3",
    ],
  },
  'quorum queues and priorities': {
    '3.10': [
      "0 channel 0: basic.get-ok '' '~q' {headers:{x-delivery-count:l0}} m1, 5 left",
      '1 ~q: 5 messages, 0 consumers',
      '3 ~q: 5 messages, 0 consumers',
      "4 ~q: '' '~q' {headers:{x-delivery-count:l0},priority:1} m2",
      "4 ~q: '' '~q' {headers:{x-delivery-count:l0},priority:5} m3",
      "4 ~q: '' '~q' {headers:{x-delivery-count:l0},priority:4} m4",
      "4 ~q: '' '~q' {headers:{x-delivery-count:l0},priority:200} m5",
      "4 ~q: '' '~q' {headers:{x-delivery-count:l0},priority:0} m6",
    ],
    '4.3': [
      "0 channel 0: basic.get-ok '' '~q' {priority:200} m5, 5 left",
      '1 ~q: 5 messages, 0 consumers',
      '3 ~q: 5 messages, 0 consumers',
      "4 ~q: '' '~q' {priority:5} m3",
      "4 ~q: '' '~q' m1",
      "4 ~q: '' '~q' {priority:4} m4",
      "4 ~q: '' '~q' {priority:1} m2",
      "4 ~q: '' '~q' {priority:0} m6",
    ],
  },
  'a negative delivery limit': {
    '3.10': [
      "0 channel 0: basic.get-ok '' '~q' {headers:{x-delivery-count:l0}} m1, 0 left",
      '2 ~q: 0 messages, 0 consumers',
      '4 ~q: 0 messages, 0 consumers',
    ],
    '4.3': [
      "0 channel 0: basic.get-ok '' '~q' m1, 0 left",
      '2 ~q: 1 messages, 0 consumers',
      '4 ~q: 1 messages, 0 consumers',
      "5 ~q: '' '~q' again {headers:{x-acquired-count:l1,x-delivery-count:l1}} m1",
    ],
  },
  'a quorum queue with a single active consumer is not asked by basic.get': {
    '3.10': [
      "0 channel 0: channel.close RESOURCE_LOCKED - cannot obtain access to locked queue '~q' in vhost '/'. basic.get operations are not supported by quorum queues with single active consumer (405 60 70)",
      '1 ~q: 0 messages, 0 consumers',
      '2 ~q: 0 messages, 0 consumers',
    ],
    '4.3': [
      "0 channel 0: channel.close RESOURCE_LOCKED - cannot obtain access to locked queue '~q' in vhost '/'. basic.get operations are not supported by <<\"quorum\">> queues with single active consumer (405 60 70)",
      '1 ~q: 0 messages, 0 consumers',
      '2 ~q: 0 messages, 0 consumers',
    ],
  },
  'deaths that a client wrote': {
    '3.10': [
      "1 channel 0: basic.get-ok '' '~q' {headers:{x-death:[{count:I3,mine:true,queue:'~q',reason:'rejected'}]}} m2, 0 left",
      "3 channel 0: basic.get-ok '' '~d' {headers:{x-death:[{count:l4,mine:true,queue:'~q',reason:'rejected'}]}} m2, 0 left",
      '4 ~d: 0 messages, 0 consumers',
      '4 ~q: 0 messages, 0 consumers',
      '6 ~d: 1 messages, 0 consumers',
      '6 ~q: 0 messages, 0 consumers',
      "8 ~d: '' '~d' again {headers:{x-death:[{count:l4,mine:true,queue:'~q',reason:'rejected'}]}} m2",
    ],
    '4.3': [
      "1 channel 0: basic.get-ok '' '~q' {headers:{x-death:[{count:I3,mine:true,queue:'~q',reason:'rejected'}]}} m2, 0 left",
      "3 channel 0: basic.get-ok '' '~d' again {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected',x-last-death-exchange:'',x-last-death-queue:'~q',x-last-death-reason:'rejected'}} m2, 0 left",
      '4 ~d: 0 messages, 0 consumers',
      '4 ~q: 0 messages, 0 consumers',
      '6 ~d: 1 messages, 0 consumers',
      '6 ~q: 0 messages, 0 consumers',
      "8 ~d: '' '~d' again {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected',x-last-death-exchange:'',x-last-death-queue:'~q',x-last-death-reason:'rejected'}} m2",
    ],
  },
  'redelivered, of what was dead-lettered by nack and by reject': {
    '3.10': [
      "0 channel 0: basic.get-ok '' '~q' m2, 1 left",
      "2 channel 0: basic.get-ok '' '~q' m3, 0 left",
      "4 channel 0: basic.get-ok '' '~d' {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected'}} m2, 1 left",
      "5 channel 0: basic.get-ok '' '~d' {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected'}} m3, 0 left",
      '6 ~d: 0 messages, 0 consumers',
      '6 ~q: 0 messages, 0 consumers',
      '8 ~d: 2 messages, 0 consumers',
      '8 ~q: 0 messages, 0 consumers',
      "10 ~d: '' '~d' again {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected'}} m2",
      "10 ~d: '' '~d' again {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected'}} m3",
    ],
    '4.3': [
      "0 channel 0: basic.get-ok '' '~q' m2, 1 left",
      "2 channel 0: basic.get-ok '' '~q' m3, 0 left",
      "4 channel 0: basic.get-ok '' '~d' {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected',x-last-death-exchange:'',x-last-death-queue:'~q',x-last-death-reason:'rejected'}} m2, 1 left",
      "5 channel 0: basic.get-ok '' '~d' again {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected',x-last-death-exchange:'',x-last-death-queue:'~q',x-last-death-reason:'rejected'}} m3, 0 left",
      '6 ~d: 0 messages, 0 consumers',
      '6 ~q: 0 messages, 0 consumers',
      '8 ~d: 2 messages, 0 consumers',
      '8 ~q: 0 messages, 0 consumers',
      "10 ~d: '' '~d' again {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected',x-last-death-exchange:'',x-last-death-queue:'~q',x-last-death-reason:'rejected'}} m2",
      "10 ~d: '' '~d' again {headers:{x-death:[{count:l1,exchange:'',queue:'~q',reason:'rejected',routing-keys:['~q'],time:T}],x-first-death-exchange:'',x-first-death-queue:'~q',x-first-death-reason:'rejected',x-last-death-exchange:'',x-last-death-queue:'~q',x-last-death-reason:'rejected'}} m3",
    ],
  },
  'consumers of a deleted queue are told in the order of their tags': {
    all: [
      '0 channel 0: queue.delete-ok messageCount=0',
      '0 channel 2: basic.cancel consumerTag=c1 noWait=true',
      '0 channel 2: basic.cancel consumerTag=c2 noWait=true',
      "1 ~q: NOT_FOUND - no queue '~q' in vhost '/' / NOT_FOUND - no queue '~q' in vhost '/'",
      "4 ~q: NOT_FOUND - no queue '~q' in vhost '/' / NOT_FOUND - no queue '~q' in vhost '/'",
    ],
  },
  'a quorum queue is not deleted on a condition': {
    all: [
      "0 connection 0: connection.close NOT_IMPLEMENTED - cannot delete queue '~q' in vhost '/'. queue.delete operations with if-unused flag set are not supported by quorum queues (540 50 40)",
      '1 ~q: 0 messages, 0 consumers',
      '2 ~q: 0 messages, 0 consumers',
    ],
  },
  'a quorum queue has no exclusive consumer, and its messages count their deliveries': {
    '3.10': [
      "0 channel 0: basic.get-ok '' '~q' {headers:{x-delivery-count:l0}} m1, 0 left",
      '2 channel 0: basic.consume-ok consumerTag=a',
      "2 channel 0 to a: '' '~q' again {headers:{x-delivery-count:l1}} m1",
      '3 channel 0: basic.consume-ok consumerTag=b',
      '4 ~q: 0 messages, 2 consumers',
      '6 ~q: 1 messages, 0 consumers',
      "7 ~q: '' '~q' again {headers:{x-delivery-count:l2}} m1",
    ],
    '4.3': [
      "0 channel 0: basic.get-ok '' '~q' m1, 0 left",
      '2 channel 0: basic.consume-ok consumerTag=a',
      "2 channel 0 to a: '' '~q' again {headers:{x-acquired-count:l1,x-delivery-count:l1}} m1",
      '3 channel 0: basic.consume-ok consumerTag=b',
      '4 ~q: 0 messages, 2 consumers',
      '6 ~q: 1 messages, 0 consumers',
      "7 ~q: '' '~q' again {headers:{x-acquired-count:l2,x-delivery-count:l2}} m1",
    ],
  },
};
