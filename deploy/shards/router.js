// Which shard has an account: the first bits of MD5 over both ids, as 64-bit numbers, big-endian.
import crypto from 'crypto';

const SHARDS = {
    "0": "shard_0",
    "1": "shard_1"
};

// The eight bytes of an unsigned number, or null.
function bytesOf(text) {
    if (!/^(0|[1-9][0-9]{0,19})$/.test(text)) {
        return null;
    }
    const bytes = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < text.length; i++) {
        let carry = text.charCodeAt(i) - 48;
        for (let place = 7; place >= 0; place--) {
            carry += bytes[place] * 10;
            bytes[place] = carry & 255;
            carry >>= 8;
        }
        if (carry) {
            return null;
        }
    }
    return bytes;
}

function bitsOf(debtor, creditor) {
    const digest = crypto.createHash('md5').update(Buffer.from(debtor.concat(creditor))).digest('hex');
    return (0x1000000 + parseInt(digest.slice(0, 6), 16)).toString(2).slice(1);
}

function shard(r) {
    const words = r.uri.split('/');
    if (words.length == 4 && words[1] == 'realms') {
        return /^[01]{1,20}$/.test(words[2]) ? SHARDS[words[2]] || '' : '';
    }
    if (words.length != 5 || words[1] != 'accounts') {
        return '';
    }
    const debtor = bytesOf(words[2]);
    const creditor = bytesOf(words[3]);
    if (debtor === null || creditor === null) {
        return '';
    }
    const bits = bitsOf(debtor, creditor);
    for (let length = 0; length <= 20; length++) {
        const found = SHARDS[bits.slice(0, length)];
        if (found) {
            return found;
        }
    }
    return '';
}

export default { shard };
