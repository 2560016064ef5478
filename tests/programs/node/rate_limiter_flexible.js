// rate-limiter-flexible: points that are consumed, returned, blocked; bursts, a queue, several limits in one.
const assert = require("node:assert");
const Redis = require("ioredis");
const {
  BurstyRateLimiter, RateLimiterQueue, RateLimiterRedis, RateLimiterRedisNonAtomic, RateLimiterUnion,
} = require("rate-limiter-flexible");
const { run } = require("./running");

const refused = (promise) => promise.then(() => assert.fail("no limit"), (answer) => answer);

run(async (port) => {
  const storeClient = new Redis(port, { enableOfflineQueue: false });
  await new Promise((resolve) => storeClient.on("ready", resolve));
  const limiterOf = (keyPrefix, points, duration, more = {}) =>
    new RateLimiterRedis({ storeClient, keyPrefix, points, duration, ...more });

  const limiter = limiterOf("plain", 3, 60);
  assert.equal((await limiter.consume("user", 2)).remainingPoints, 1);
  const answer = await refused(limiter.consume("user", 2));
  assert.equal(answer.consumedPoints, 4);
  assert(answer.msBeforeNext > 50000 && answer.msBeforeNext <= 60000, answer.msBeforeNext);
  assert.equal((await limiter.reward("user", 3)).consumedPoints, 1);
  assert.equal((await limiter.penalty("user")).consumedPoints, 2);
  assert.equal((await limiter.get("user")).remainingPoints, 1);
  await limiter.set("user", 3, 30);
  await refused(limiter.consume("user"));
  assert.equal(await limiter.delete("user"), true);
  assert.equal(await limiter.get("user"), null);
  await limiter.block("user", 10);
  assert((await refused(limiter.consume("user"))).msBeforeNext <= 10000);

  const blocking = limiterOf("block", 1, 1, { blockDuration: 60 });
  await blocking.consume("user");
  assert((await refused(blocking.consume("user"))).msBeforeNext > 50000);
  const forever = limiterOf("forever", 1, 0);
  await forever.consume("user");
  assert.equal((await refused(forever.consume("user"))).consumedPoints, 2);

  const bursty = new BurstyRateLimiter(limiterOf("base", 1, 60), limiterOf("burst", 2, 60));
  for (let number = 0; number < 3; number++) await bursty.consume("user");
  await refused(bursty.consume("user"));
  const union = new RateLimiterUnion(limiterOf("one", 1, 1), limiterOf("two", 5, 60));
  assert.deepEqual(Object.keys(await union.consume("user")), ["one", "two"]);
  assert.deepEqual(Object.keys(await refused(union.consume("user"))), ["one"]);
  const queue = new RateLimiterQueue(limiterOf("queue", 2, 1));
  const began = Date.now();
  await Promise.all([...Array(3).keys()].map(() => queue.removeTokens(1)));
  assert(Date.now() - began > 500);
  const plain = new RateLimiterRedisNonAtomic({ storeClient, keyPrefix: "plain2", points: 1, duration: 60 });
  await plain.consume("user");
  await refused(plain.consume("user"));
});
