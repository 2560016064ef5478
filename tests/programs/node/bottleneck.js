// bottleneck: a limit that several processes share, by the scripts of its Redis store.
const assert = require("node:assert");
const Redis = require("ioredis");
const Bottleneck = require("bottleneck");
const { run, sleep, until } = require("./running");

run(async (port) => {
  const limiterOf = (id, options) => new Bottleneck({
    id, datastore: "ioredis", Redis, clearDatastore: false, clientOptions: { host: "127.0.0.1", port }, ...options,
  });

  const pair = [1, 2].map(() => limiterOf("few", { maxConcurrent: 2 }));
  await Promise.all(pair.map((each) => each.ready()));
  let running = 0;
  let most = 0;
  const work = async (number) => {
    most = Math.max(most, ++running);
    await sleep(30);
    running--;
    return number;
  };
  const numbers = [...Array(10).keys()];
  assert.deepEqual(await Promise.all(numbers.map((number) => pair[number % 2].schedule(() => work(number)))), numbers);
  assert.equal(most, 2);
  await until(async () => (await pair[0].running()) === 0);

  const slow = limiterOf("slow", { minTime: 100 });
  const times = [];
  await Promise.all([...Array(4)].map(() => slow.schedule(async () => times.push(Date.now()))));
  assert(times[3] - times[0] >= 280, `${times[3] - times[0]} ms`);

  const reserve = limiterOf("reserve", {
    reservoir: 3, reservoirRefreshAmount: 3, reservoirRefreshInterval: 1000, heartbeatInterval: 100,
  });
  const began = Date.now();
  await Promise.all([...Array(4)].map(() => reserve.schedule(async () => {})));
  assert(Date.now() - began > 500, `${Date.now() - began} ms`);
  await reserve.updateSettings({ reservoir: 0, reservoirRefreshInterval: null });
  assert.equal(await reserve.currentReservoir(), 0);
  assert.equal(await reserve.check(), false);
  assert.equal(await reserve.incrementReservoir(2), 2);

  const full = limiterOf("full", { maxConcurrent: 1, highWater: 0, strategy: Bottleneck.strategy.BLOCK, penalty: 200 });
  const first = full.schedule(() => sleep(200));
  await sleep(50);
  await assert.rejects(full.schedule(() => sleep(1)), /dropped/);
  await first;
  const expiring = limiterOf("expiring", { maxConcurrent: 1 });
  await assert.rejects(expiring.schedule({ expiration: 100 }, () => sleep(5000)), /timed out/);
  assert.equal(await expiring.schedule(async () => 7), 7);
  const group = new Bottleneck.Group({
    maxConcurrent: 1, datastore: "ioredis", Redis, clientOptions: { host: "127.0.0.1", port }, timeout: 10000,
  });
  assert.deepEqual(await Promise.all(["a", "b"].map((key) => group.key(key).schedule(async () => key))), ["a", "b"]);
  assert.deepEqual((await group.clusterKeys()).sort(), ["a", "b"]);
});
