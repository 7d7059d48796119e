// npm run misbehave -- slow            turns a switch on
// npm run misbehave -- slow off        and off
// npm run misbehave -- slow '{"ms":5000}'
// Where the bot is: BOT_URL, default http://127.0.0.1:3000.

const [what, argument = 'on'] = process.argv.slice(2);
const origin = process.env.BOT_URL ?? 'http://127.0.0.1:3000';
const options = argument.startsWith('{') ? { on: true, ...JSON.parse(argument) } : { on: argument !== 'off' };

const response = what
  ? await fetch(`${origin}/misbehave/${what}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(options),
    })
  : await fetch(`${origin}/misbehave`);
console.log(JSON.stringify(await response.json(), null, 2));
process.exitCode = response.ok ? 0 : 1;
