// Posts an alert to Concierge's gateway, signed in the form of Standard Webhooks. Zabbix runs ECMAScript 5.
// The time of the signature is taken here: macros are expanded once, and sent again as they were.

var ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function base64(hex) {
    var bytes = [], text = '', i, group;
    for (i = 0; i < hex.length; i += 2) {
        bytes.push(parseInt(hex.substr(i, 2), 16));
    }
    for (i = 0; i < bytes.length; i += 3) {
        group = (bytes[i] << 16) | ((bytes[i + 1] || 0) << 8) | (bytes[i + 2] || 0);
        text += ALPHABET.charAt(group >> 18) + ALPHABET.charAt((group >> 12) & 63);
        text += i + 1 < bytes.length ? ALPHABET.charAt((group >> 6) & 63) : '=';
        text += i + 2 < bytes.length ? ALPHABET.charAt(group & 63) : '=';
    }
    return text;
}

// Only ASCII is signed and sent, so that no encoding can come between.
function ascii(text) {
    return text.replace(/[\u007f-\uffff]/g, function (sign) {
        return '\\u' + ('0000' + sign.charCodeAt(0).toString(16)).slice(-4);
    });
}

function read(reply) {
    try {
        return JSON.parse(reply) || {};
    } catch (error) {
        return {};
    }
}

// What Zabbix puts on the event: the incident's id, and where to read of it.
function tagsOf(answer) {
    var tags = answer.tags || {}, incident = tags['concierge.correlation'];
    if (incident) {
        tags['concierge.link'] = gateway.replace(/\/webhooks\/.*$/, '') + '/v1/incidents/' + incident;
    }
    return tags;
}

var input = JSON.parse(value), gateway = input.gateway, secret = input.secret;
delete input.gateway;
delete input.secret;

// The Test button sends macros as they are written.
if (/^\{\$[^}]*\}$/.test(secret)) {
    throw 'Zabbix fills in macros for real alerts only. To test, write the secret itself, as it stands in the ' +
        'secret_file of the gateway, into the field "secret"; leave the other fields as they are. ' +
        'To try everything, run `concierge zabbix doctor`.';
}

var body = ascii(JSON.stringify(input)),
    name = [input.event_id, input.event_value, input.event_update, input.action_id, input.sent].join('-'),
    id = 'zabbix-' + name.replace(/[^0-9A-Za-z]+/g, '-'),
    time = Math.floor(Date.now() / 1000),
    request = new HttpRequest();

request.addHeader('Content-Type: application/json');
request.addHeader('webhook-id: ' + id);
request.addHeader('webhook-timestamp: ' + time);
request.addHeader('webhook-signature: v1,' + base64(hmac('sha256', secret, id + '.' + time + '.' + body)));

var reply = request.post(gateway, body), status = request.getStatus();
if (status < 200 || status > 299) {
    throw 'Concierge answered ' + status + ': ' + String(reply).replace(/\s+/g, ' ').slice(0, 200);
}
var answer = read(reply);
return JSON.stringify({tags: tagsOf(answer), answer: answer.decision + ': ' + answer.reason});
