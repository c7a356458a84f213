// The gate itself: it must let through what is within its budget, and nothing else.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { judge, lines } from './gate.mjs';

const budgets = { engine: { allocations_per_packet: 0, ratio_to_sendto: 1 } };

test('within the budget nothing is said', () => {
  assert.deepEqual(judge({ bench: 'engine', allocations_per_packet: 0, ratio_to_sendto: 0.4 }, budgets), []);
});

test('each figure over its budget, or missing, is named', () => {
  assert.equal(judge({ bench: 'engine', allocations_per_packet: 0.5, ratio_to_sendto: 1.2 }, budgets).length, 2);
  assert.match(judge({ bench: 'engine', allocations_per_packet: 0 }, budgets)[0], /ratio_to_sendto is missing/);
  assert.match(judge({ bench: 'engine', allocations_per_packet: 0, ratio_to_sendto: null }, budgets)[0], /missing/);
});

test('lines of other benches and what is no JSON are passed over', () => {
  const text = 'running\n{"bench":"e2e"}\n{"bench":"engine","allocations_per_packet":0,"ratio_to_sendto":1}\n';
  assert.equal(lines(text, budgets).length, 1);
});

test('the program fails on a bad line and on none at all', () => {
  const gate = (input) => spawnSync(process.execPath, [new URL('gate.mjs', import.meta.url).pathname], { input }).status;
  const line = { bench: 'engine', allocations_per_packet: 0, hot_bytes: 1_000, ratio_to_sendto: 0.5, ratio_to_str0m: 0.5 };
  assert.equal(gate(`${JSON.stringify(line)}\n`), 0);
  assert.equal(gate(`${JSON.stringify({ ...line, allocations_per_packet: 1 })}\n`), 1);
  assert.equal(gate('nothing\n'), 1);
});
