// The DHCP client of one interface (RFC 2131, 4.4, figure 5) as a machine: messages, link and time
// in, actions out. It knows neither UDP nor ARP.
//
//   off ── link up ──▶ selecting ──offer──▶ requesting ──ack──▶ bound ──T1──▶ renewing ──T2──▶ rebinding
//    ▲                   ▲    ▲                │ nak, 4 tries     │ ▲ ack ◀──────┴───── ack ◀──────┤
//    │ link down         │    └────────────────┘                  │ │                  nak, end    │
//    │ (keeps the lease) ├───────────────────────── nak, end ─────┘ │ ack, silence                │
//    └── link up with a lease ──▶ rebooting ────────────────────────┘                             │
//                        └────────────────────────────────────────────────────────────────────────┘
//   conflict (any state with a lease) ──▶ declined ── 10 s ──▶ selecting
//
// The random delay of one to ten seconds before the first message (4.4.1) is left out on purpose:
// it is meant for a hall of machines after a power cut and would be most of the boot time here.

import Bytes
import Link

/// What the client wants done.
enum DHCPAction: Equatable {
    /// Send from port 68 to port 67 of `to`; to the limited broadcast without a source address.
    case send(DHCPMessage, to: IPv4Address)
    /// The lease is good: use it (again).
    case bind(DHCPLease)
    /// The lease is gone: stop using its address.
    case unbind
}

struct DHCPClient {
    /// RFC 2131, 3.1.5.
    static let declinePause = Interval.seconds(10)
    static let requestTries = 4
    static let rebootTries = 3
    /// RFC 3442 asks for option 121 before option 3.
    static let parameters: [UInt8] = [1, 121, 3, 6, 12, 15, 26, 51, 58, 59, 119]

    /// One exchange: its transaction and where its retransmission stands.
    struct Exchange: Equatable {
        var transaction: UInt32
        /// When we began to ask; goes into `secs`.
        var begun: Instant
        /// When the last message left.
        var asked: Instant
        var tries: Int
        var due: Instant
    }

    enum State: Equatable {
        case off(DHCPLease?)
        case selecting(Exchange)
        case requesting(Exchange, DHCPLease)
        case rebooting(Exchange, DHCPLease)
        case bound(DHCPLease)
        case renewing(Exchange, DHCPLease)
        case rebinding(Exchange, DHCPLease)
        case declined(until: Instant)
    }

    private let mac: MACAddress
    private let hostname: String
    var random: SeededGenerator
    var state = State.off(nil)
    /// Requests in a row that were refused after an offer.
    var refusals = 0

    init(mac: MACAddress, hostname: String, seed: UInt64) {
        self.mac = mac
        self.hostname = hostname
        random = SeededGenerator(seed: seed)
    }

    /// The lease whose address is in use.
    var lease: DHCPLease? {
        switch state {
        case .off(let lease): lease
        case .rebooting(_, let lease), .renewing(_, let lease), .rebinding(_, let lease), .bound(let lease): lease
        case .selecting, .requesting, .declined: nil
        }
    }

    var status: DHCPStatus {
        switch state {
        case .off: .initial
        case .selecting: .selecting
        case .requesting: .requesting
        case .rebooting: .rebooting
        case .bound: .bound
        case .renewing: .renewing
        case .rebinding: .rebinding
        case .declined: .declined
        }
    }

    /// Replies are of interest at the moment.
    var isListening: Bool { exchange != nil }

    private var exchange: Exchange? {
        switch state {
        case .selecting(let exchange), .requesting(let exchange, _), .rebooting(let exchange, _),
            .renewing(let exchange, _), .rebinding(let exchange, _):
            exchange
        case .off, .bound, .declined: nil
        }
    }

    // MARK: Inputs

    mutating func linkUp(now: Instant) -> [DHCPAction] {
        guard case .off(let lease) = state else { return [] }
        guard let lease else { return discover(now) }
        state = .rebooting(newExchange(now), lease)
        return [repeatRequest(now)]
    }

    mutating func linkDown() {
        state = .off(lease)
    }

    /// Somebody else uses the leased address (RFC 2131, 4.4.4).
    mutating func conflict(now: Instant) -> [DHCPAction] {
        guard let lease else { return [] }
        var options = DHCPOptions(.decline)
        options.requestedAddress = lease.prefix.address
        options.serverIdentifier = lease.server
        options.clientIdentifier = identifier
        let message = DHCPMessage(.request, transaction: newTransaction(), mac: mac, options: options)
        if case .off = state {
            state = .off(nil)
            return [.unbind]
        }
        state = .declined(until: now + Self.declinePause)
        return [.send(message, to: .broadcast), .unbind]
    }

    mutating func receive(_ message: DHCPMessage, now: Instant) -> [DHCPAction] {
        guard let exchange, message.operation == .reply, message.transaction == exchange.transaction,
            message.mac == mac, let type = message.options.messageType
        else { return [] }
        switch (type, state) {
        case (.offer, .selecting): return select(message, exchange, now: now)
        case (.ack, .requesting(_, let offer)):
            guard message.options.serverIdentifier ?? offer.server == offer.server else { return [] }
            return acknowledge(message, exchange, server: offer.server)
        case (.ack, .rebooting(_, let lease)), (.ack, .renewing(_, let lease)), (.ack, .rebinding(_, let lease)):
            return acknowledge(message, exchange, server: lease.server)
        case (.nak, .requesting(_, let offer)):
            guard message.options.serverIdentifier ?? offer.server == offer.server else { return [] }
            return discoverAfterRefusal(now)
        case (.nak, .rebooting), (.nak, .renewing), (.nak, .rebinding): return [.unbind] + discover(now)
        default: return []
        }
    }

    /// Does what is due by `now`.
    mutating func advance(to now: Instant) -> [DHCPAction] {
        guard let nextDeadline, nextDeadline <= now else { return [] }
        if let end = lease?.end, end <= now {
            if case .off = state {
                state = .off(nil)
                return [.unbind]
            }
            return [.unbind] + discover(now)
        }
        switch state {
        case .off: return []
        case .declined: return discover(now)
        case .selecting(let exchange): return [sendDiscover(exchange, now)]
        case .requesting(let exchange, _) where exchange.tries >= Self.requestTries: return discover(now)
        case .rebooting(let exchange, let lease) where exchange.tries >= Self.rebootTries:
            // RFC 2131, 3.2, 4: without an answer the lease may be used for the rest of its time.
            state = .bound(lease)
            return []
        case .requesting, .rebooting: return [repeatRequest(now)]
        case .bound(let lease): return renew(lease, now)
        case .renewing(_, let lease):
            if let rebinding = lease.rebinding, rebinding <= now {
                state = .rebinding(newExchange(now), lease)
            }
            return [repeatRequest(now)]
        case .rebinding: return [repeatRequest(now)]
        }
    }

    var nextDeadline: Instant? {
        switch state {
        case .off(let lease): lease?.end
        case .declined(let until): until
        case .selecting(let exchange), .requesting(let exchange, _): exchange.due
        case .bound(let lease): lease.renewal
        case .rebooting(let exchange, let lease), .rebinding(let exchange, let lease):
            min(exchange.due, lease.end ?? exchange.due)
        case .renewing(let exchange, let lease): min(exchange.due, lease.rebinding ?? exchange.due)
        }
    }

    // MARK: Moves

    /// The first refusal may be a race for the address; a server that offers and refuses for ever is asked less and less
    /// often: after 2, 4, 8 … 64 s.
    private mutating func discoverAfterRefusal(_ now: Instant) -> [DHCPAction] {
        refusals = min(refusals + 1, 7)
        guard refusals > 1 else { return discover(now) }
        var exchange = newExchange(now)
        exchange.due = now + .seconds(1 << Int64(min(refusals - 1, 6)))
        state = .selecting(exchange)
        return []
    }

    private mutating func discover(_ now: Instant) -> [DHCPAction] { [sendDiscover(newExchange(now), now)] }

    private mutating func sendDiscover(_ exchange: Exchange, _ now: Instant) -> DHCPAction {
        var exchange = exchange
        let message = clientMessage(.discover, &exchange, now)
        state = .selecting(exchange)
        return .send(message, to: .broadcast)
    }

    /// The first usable offer is taken (RFC 2131, 4.4.1 leaves the choice to us).
    private mutating func select(_ message: DHCPMessage, _ exchange: Exchange, now: Instant) -> [DHCPAction] {
        guard let offer = DHCPLease(message, server: nil, asked: exchange.asked) else { return [] }
        var exchange = exchange
        exchange.tries = 0
        state = .requesting(exchange, offer)
        return [repeatRequest(now)]
    }

    private mutating func acknowledge(
        _ message: DHCPMessage, _ exchange: Exchange, server: IPv4Address
    ) -> [DHCPAction] {
        guard let granted = DHCPLease(message, server: server, asked: exchange.asked) else { return [] }
        refusals = 0
        state = .bound(granted)
        return [.bind(granted)]
    }

    private mutating func renew(_ lease: DHCPLease, _ now: Instant) -> [DHCPAction] {
        if let rebinding = lease.rebinding, rebinding <= now {
            state = .rebinding(newExchange(now), lease)
        } else {
            state = .renewing(newExchange(now), lease)
        }
        return [repeatRequest(now)]
    }

    /// Sends the DHCPREQUEST of the state (RFC 2131, 4.3.6, table 4) and sets when to send it again.
    private mutating func repeatRequest(_ now: Instant) -> DHCPAction {
        guard var exchange else { return .unbind }
        var message = clientMessage(.request, &exchange, now)
        var target = IPv4Address.broadcast
        switch state {
        case .requesting(_, let offer):
            message.options.requestedAddress = offer.prefix.address
            message.options.serverIdentifier = offer.server
            state = .requesting(exchange, offer)
        case .rebooting(_, let lease):
            message.options.requestedAddress = lease.prefix.address
            state = .rebooting(exchange, lease)
        case .renewing(_, let lease):
            message.clientAddress = lease.prefix.address
            target = lease.server
            exchange.due = half(now, lease.rebinding)
            state = .renewing(exchange, lease)
        case .rebinding(_, let lease):
            message.clientAddress = lease.prefix.address
            exchange.due = half(now, lease.end)
            state = .rebinding(exchange, lease)
        case .off, .selecting, .bound, .declined: break
        }
        return .send(message, to: target)
    }

    /// Half of the time that is left, at least a minute, at most all of it (RFC 2131, 4.4.5).
    private func half(_ now: Instant, _ limit: Instant?) -> Instant {
        guard let limit, limit > now else { return now + .seconds(60) }
        let left = limit.since(now)
        return now + min(left, max(left / 2, .seconds(60)))
    }

    // MARK: Messages

    private mutating func clientMessage(
        _ type: DHCPMessageType, _ exchange: inout Exchange, _ now: Instant
    ) -> DHCPMessage {
        exchange.asked = now
        exchange.due = now + delay(after: exchange.tries)
        exchange.tries += 1
        var options = DHCPOptions(type)
        options.parameterRequest = Self.parameters
        options.clientIdentifier = identifier
        options.hostName = hostname.isEmpty ? nil : hostname
        options.maximumSize = UInt16(DHCPMessage.maximumSize)
        var message = DHCPMessage(.request, transaction: exchange.transaction, mac: mac, options: options)
        let elapsed = max(0, now.since(exchange.begun).milliseconds / 1000)
        message.seconds = UInt16(clamping: elapsed)
        return message
    }

    /// RFC 2131, 4.1: 4, 8, 16 … 64 s, each ±1 s; before them one try after about a second, because
    /// the usual server is a process of this machine that has only just been started.
    private mutating func delay(after tries: Int) -> Interval {
        guard tries > 0 else { return random.jitter(.seconds(1), by: .milliseconds(250)) }
        return random.jitter(.seconds(4 << Int64(min(tries - 1, 4))), by: .seconds(1))
    }

    /// Option 61: hardware type and MAC (RFC 2132, 9.14).
    private var identifier: [UInt8] { [1] + (0..<6).map { mac[$0] } }

    private mutating func newExchange(_ now: Instant) -> Exchange {
        Exchange(transaction: newTransaction(), begun: now, asked: now, tries: 0, due: now)
    }

    private mutating func newTransaction() -> UInt32 { UInt32(truncatingIfNeeded: random.next() >> 32) }
}
