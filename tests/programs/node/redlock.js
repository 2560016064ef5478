// redlock: locks that are acquired, waited for, extended while something is done, and refused.
const assert = require("node:assert");
const Redis = require("ioredis");
const { default: Redlock, ExecutionError } = require("redlock");
const { run, sleep } = require("./running");

run(async (port) => {
  const clients = [new Redis(port)];
  const patient = new Redlock(clients, { retryCount: 100, retryDelay: 20, retryJitter: 10 });
  const impatient = new Redlock(clients, { retryCount: 0 });
  let lock = await patient.acquire(["a", "b"], 1000);
  await assert.rejects(impatient.acquire(["b"], 1000), ExecutionError);
  lock = await lock.extend(5000);
  assert((await clients[0].pttl("a")) > 4000);
  const waiting = patient.acquire(["a"], 1000);
  await sleep(50);
  await lock.release();
  await (await waiting).release();
  await assert.rejects(lock.release(), ExecutionError);
  await patient.using(["c"], 300, { automaticExtensionThreshold: 100 }, async (signal) => {
    await sleep(700); // longer than the lock: it is extended
    assert.equal(signal.aborted, false);
    assert.equal(await clients[0].exists("c"), 1);
  });
  const held = [];
  const hold = (name) => patient.using(["d"], 5000, async () => {
    held.push(name);
    await sleep(50);
    held.push(name);
  });
  await Promise.all([hold(1), hold(2)]);
  assert.deepEqual([held[0] === held[1], held[2] === held[3]], [true, true]);
  assert.equal(await clients[0].dbsize(), 0);
});
