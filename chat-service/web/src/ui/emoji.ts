/** The emoji to choose from, with the names they are found by. */

const LIST = `
👍 thumbs up yes agree|👎 thumbs down no|❤️ heart love|😂 joy laugh tears|🎉 party tada celebrate|👀 eyes look
🙏 please thanks pray|✅ done check yes|🚀 rocket ship launch|🔥 fire hot|💯 hundred perfect|👏 clap applause
😀 grin happy|😄 smile happy|😅 sweat smile|🙂 slight smile|😉 wink|😊 blush|😍 heart eyes love|😘 kiss
😎 cool sunglasses|🤔 thinking hmm|🤨 raised eyebrow|😐 neutral|🙄 eye roll|😏 smirk|😴 sleep tired|😌 relieved
😕 confused|😟 worried|😢 cry sad|😭 sob cry|😤 huff|😠 angry|🤯 mind blown|😱 scream fear|🥶 cold|🥵 hot
🤗 hug|🤭 oops|🤫 quiet shush|🤐 zipped|😇 angel|🤓 nerd|🥳 party face|🤩 star struck|😬 grimace|🫠 melting
👋 wave hello bye|🤝 handshake deal|💪 strong muscle|🤞 fingers crossed luck|✌️ peace|👌 ok|🤷 shrug|🤦 facepalm
🙌 raised hands hooray|✍️ write|👆 up point|👇 down point|👉 right point|👈 left point|🫡 salute|🧠 brain
💔 broken heart|🧡 orange heart|💛 yellow heart|💚 green heart|💙 blue heart|💜 purple heart|🖤 black heart|✨ sparkles
⭐ star|🌟 glowing star|💡 idea bulb|⚡ lightning fast|💥 boom|❗ important exclamation|❓ question|⚠️ warning
❌ no cross|⛔ stop|🛑 stop sign|🔴 red|🟡 yellow|🟢 green|🔵 blue|➕ plus|➖ minus|🔁 repeat
📌 pin|📎 clip attach|🔗 link|🔒 lock|🔑 key|🔧 wrench fix|🔨 hammer build|🐛 bug|🧪 test|📦 package release
📈 up chart|📉 down chart|📊 chart|📅 calendar date|⏰ alarm time|⏳ wait hourglass|📝 note memo|📚 books read|💻 laptop|🖥️ desktop
📱 phone|☎️ telephone|📷 camera|🎧 headphones|🎵 music|🎨 art design|🎯 target goal|🏆 trophy win|🥇 first gold|🎁 gift
☕ coffee|🍵 tea|🍺 beer|🍷 wine|🍕 pizza|🍔 burger|🌮 taco|🍰 cake|🍪 cookie|🍎 apple
🌍 earth world|🌞 sun|🌙 moon night|🌈 rainbow|☁️ cloud|🌧️ rain|❄️ snow|🌱 plant grow|🌳 tree|🌸 flower
🐶 dog|🐱 cat|🦊 fox|🐻 bear|🐼 panda|🐧 penguin|🦉 owl|🐢 turtle slow|🦋 butterfly|🐝 bee
🚗 car|🚲 bike|✈️ plane|🚂 train|🏠 home house|🏢 office|🏖️ beach holiday|⛰️ mountain|⚽ football|🏃 run
`;

export interface Emoji {
  readonly emoji: string;
  readonly name: string;
}

export const EMOJI: readonly Emoji[] = LIST.trim()
  .split(/[|\n]/)
  .map((line) => {
    const [emoji = "", ...names] = line.trim().split(" ");
    return { emoji, name: names.join(" ") };
  });

export function findEmoji(query: string): readonly Emoji[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length === 0 ? EMOJI : EMOJI.filter(({ name }) => words.every((word) => name.includes(word)));
}
