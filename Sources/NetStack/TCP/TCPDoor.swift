// A door for connections that no listener waits for: a gateway takes SYNs for any address and port, looks what is behind
// them, and says later what becomes of them. While a SYN is held nothing is said to whoever sent it; a SYN that comes
// again changes nothing.

import Bytes

/// What becomes of a SYN.
public enum TCPAdmission: Hashable, Sendable {
    /// SYN,ACK goes out at once.
    case accept
    /// Nothing goes out until `admit` or `refuse` is called; after ``TCPConfiguration/holdTime`` it is dropped.
    case hold
    /// The connection ends at once.
    case refuse(TCPRefusal)
}

/// How a SYN is refused.
public enum TCPRefusal: Hashable, Sendable {
    /// RFC 9293, 3.10.7.1: nobody listens.
    case reset
    /// ICMP destination unreachable with this code (RFC 792); whoever drives the machine sends it: see
    /// ``TCPMachine/nextUnreachable()``.
    case unreachable(code: UInt8)
    /// Nothing is said: the SYN comes again.
    case silence
}

/// Decides about connections that come in. Called from within the machine, which it must not call back.
public protocol TCPDoor: AnyObject {
    /// A SYN came for an endpoint without a listener. `id` names the connection from now on; it belongs to the door's
    /// owner, who releases it, once the storage was opened for it.
    func admission(of id: TCPSocketID, from remote: Endpoint, to local: Endpoint) -> TCPAdmission
    /// A connection that was held or accepted ended before its handshake was done; its name is gone.
    func ended(_ id: TCPSocketID, _ error: TCPError?)
}

/// A refused SYN that is to be answered by ICMP.
public struct TCPUnreachable: Equatable, Sendable {
    /// What cannot be reached.
    public var destination: Endpoint
    /// Who asked for it.
    public var source: Endpoint
    /// The code of ICMP destination unreachable.
    public var code: UInt8
    /// The sequence number of the SYN: with both ports what the error quotes (RFC 792).
    public var sequence: UInt32
}

extension TCPMachine {
    static let unreachableLimit = 256

    /// A held connection may go on: SYN,ACK goes out. False: it has ended meanwhile, or is not held.
    public func admit(_ id: TCPSocketID, now: Instant) -> Bool {
        guard let connection = slots.find(id), connection.pointee.facts.contains(.isHeld) else { return false }
        connection.pointee.facts.remove(.isHeld)
        connection.pointee.timers.endAt = TCPTimers.never
        connection.pointee.pending.insert(.syn)
        settle(id.index, context(now))
        return true
    }

    /// Ends a connection that came through the door and whose handshake is not done; its name is gone. False: it has
    /// ended meanwhile, or is established.
    public func refuse(_ id: TCPSocketID, _ refusal: TCPRefusal, now: Instant) -> Bool {
        guard let connection = slots.find(id), connection.pointee.facts.contains(.isOffered) else { return false }
        refuse(id.index, connection, refusal, context(now))
        return true
    }

    private func refuse(
        _ slot: UInt32, _ connection: UnsafeMutablePointer<TCPConnection>, _ refusal: TCPRefusal, _ context: TCPContext
    ) {
        connection.pointee.facts.remove(.isOffered)
        connection.pointee.facts.insert(.isReleased)
        connection.pointee.close(.connectionAborted)
        switch refusal {
        case .reset:
            counters.refused &+= 1
            connection.pointee.pending.insert(.reset)
        case .unreachable(let code): note(connection.pointee, code)
        case .silence: break
        }
        offered -= 1
        settle(slot, context)
    }

    private func note(_ connection: TCPConnection, _ code: UInt8) {
        guard unreachables.count < Self.unreachableLimit else { return }
        unreachables.append(
            TCPUnreachable(
                destination: connection.key.local, source: connection.key.remote, code: code,
                sequence: connection.receive.initial.rawValue))
    }

    /// The oldest refused SYN that is to be answered by ICMP, taken out.
    public func nextUnreachable() -> TCPUnreachable? { unreachables.isEmpty ? nil : unreachables.removeFirst() }

    /// Asks the door about a connection that has just been entered in SYN-RECEIVED.
    func offer(_ id: TCPSocketID, _ context: TCPContext) {
        guard let door, let connection = slots.find(id) else { return }
        offered += 1
        let key = connection.pointee.key
        switch door.admission(of: id, from: key.remote, to: key.local) {
        case .accept: break
        case .hold:
            connection.pointee.facts.insert(.isHeld)
            connection.pointee.pending = []
            connection.pointee.timers.endAt = context.now &+ context.settings.pointee.holdTime.unsigned
        case .refuse(let refusal): return refuse(id.index, connection, refusal, context)
        }
        settle(id.index, context)
    }

    /// What came through the door has ended, or its handshake is done.
    func leaveDoor(_ slot: UInt32, _ connection: UnsafeMutablePointer<TCPConnection>) {
        connection.pointee.facts.remove(.isOffered)
        offered -= 1
        guard connection.pointee.state == .closed else { return }
        connection.pointee.facts.insert(.isReleased)
        door?.ended(
            TCPSocketID(index: slot, generation: connection.pointee.links.generation), connection.pointee.error)
    }
}
