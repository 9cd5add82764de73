// What two machines have to agree on before a guest moves. The source describes its own in the greeting; the destination
// compares, because its command line is what a user can change. What it is connected to is nobody's business but its own.
//
//     memory    bytes of guest memory 64
//     guest     its kind
//     card0 …   name, MAC address 64, MTU 16, receive and transmit queue size 16, features 64; in the guest's order

import Bytes
import Link
import Migration
import Virtio

/// A card as a greeting describes it.
struct CardProfile: Equatable {
    var name = ""
    var mac: UInt64 = 0
    /// 0: none is offered.
    var mtu: UInt16 = 0
    var receiveQueue: UInt16 = 0
    var transmitQueue: UInt16 = 0
    /// What the model is willing to offer.
    var features: UInt64 = 0

    init() {}

    init(_ card: NetworkCard) {
        name = card.name
        guard let model = card.device.rings?.model else { return }
        mac = model.mac.rawValue
        mtu = model.mtu ?? 0
        (receiveQueue, transmitQueue) = (model.receiveQueueSize, model.transmitQueueSize)
        features = model.features
    }

    /// What differs first, with both values: the source's and this one's.
    func difference(from source: CardProfile) -> String? {
        let rows: [(what: String, Bool, (CardProfile) -> String)] = [
            ("MAC address", mac == source.mac, { "\(MACAddress(rawValue: $0.mac))" }),
            ("MTU", mtu == source.mtu, { $0.mtu == 0 ? "none" : "\($0.mtu)" }),
            ("receive queue size", receiveQueue == source.receiveQueue, { "\($0.receiveQueue)" }),
            ("transmit queue size", transmitQueue == source.transmitQueue, { "\($0.transmitQueue)" }),
            ("features", features == source.features, { "0x" + String($0.features, radix: 16) }),
        ]
        return rows.first { !$0.1 }.map {
            MachineProfile.sentence("card \(source.name): \($0.what)", $0.2(source), $0.2(self))
        }
    }
}

extension CardProfile: StateCoded {
    static var blank: CardProfile { CardProfile() }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.text(&name, limit: 256, "name of a card")
        try coder.integer(&mac)
        try coder.integer(&mtu)
        try coder.integer(&receiveQueue)
        try coder.integer(&transmitQueue)
        try coder.integer(&features)
    }
}

/// A machine as a greeting describes it.
struct MachineProfile: Equatable {
    var memory: UInt64
    var guest: String
    var cards: [CardProfile]

    static let (memoryPart, guestPart) = ("memory", "guest")
    static func card(_ number: Int) -> String { "card\(number)" }

    init(memory: UInt64, guest: String, cards: [CardProfile]) {
        (self.memory, self.guest, self.cards) = (memory, guest, cards)
    }

    var parts: [MigrationSection] {
        var size = StateEncoder()
        size.integer(memory)
        return [
            MigrationSection(name: Self.memoryPart, bytes: size.bytes),
            MigrationSection(name: Self.guestPart, bytes: Array(guest.utf8)),
        ]
            + cards.enumerated().map { number, card in
                var (coder, card) = (StateCoder(), card)
                // Only reading can fail.
                try? card.code(&coder)
                return MigrationSection(name: Self.card(number), bytes: coder.encoder.bytes)
            }
    }

    /// Reads what `parts` wrote; a part that nobody knows says that the other machine is of another kind.
    init(_ parts: [MigrationSection]) throws(StateError) {
        (memory, guest, cards) = (0, "", [])
        for part in parts {
            var coder = StateCoder(reading: StateDecoder(part.bytes))
            switch part.name {
            case Self.memoryPart: try coder.integer(&memory)
            case Self.guestPart:
                guest = String(decoding: part.bytes, as: UTF8.self)
                continue
            case Self.card(cards.count): cards.append(try Self.card(&coder))
            default: throw .impossible("it has a part '\(part.name)', which nobody knows here")
            }
            try coder.decoder.finish()
        }
    }

    private static func card(_ coder: inout StateCoder) throws(StateError) -> CardProfile {
        var card = CardProfile()
        try card.code(&coder)
        return card
    }

    /// What differs first, in one sentence; nil: the guest can move here.
    func difference(from source: MachineProfile) -> String? {
        if memory != source.memory {
            return Self.sentence("guest memory", Value.text(ofSize: source.memory), Value.text(ofSize: memory))
        }
        if guest != source.guest { return Self.sentence("guest", source.guest, guest) }
        if cards.count != source.cards.count {
            return Self.sentence("number of cards", "\(source.cards.count)", "\(cards.count)")
        }
        return zip(cards, source.cards).lazy.compactMap { $0.difference(from: $1) }.first
    }

    static func sentence(_ what: String, _ source: String, _ destination: String) -> String {
        "\(what): \(source) at the source, \(destination) at the destination"
    }
}
