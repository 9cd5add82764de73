// getaddrinfo(3): names to addresses. It may take seconds, so names are looked up on a thread of its own; what is
// numeric needs none.

import CLinux
import Glibc
import Synchronization

/// Why a name has no address.
public struct NameError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was looked up.
    public let name: String
    /// The resolver's words.
    public let reason: String

    /// - Parameters:
    ///   - name: what was looked up.
    ///   - reason: as gai_strerror(3) would say it.
    public init(name: String, reason: String) {
        self.name = name
        self.reason = reason
    }

    public var description: String { "address resolution failed for \(name): \(reason)" }
}

/// Names to addresses, without waiting (the resolver runs in a thread of its own).
public enum NameLookup {
    /// The addresses in the order of the resolver, or why there are none.
    public typealias Outcome = Result<[InternetSocketAddress], NameError>

    /// Looks up and waits, on a thread that may.
    fileprivate static func wait(for name: InternetName, isPassive: Bool) -> Outcome {
        resolve(name, isPassive, flags: AI_ADDRCONFIG)
    }

    /// The addresses of a name that needs no looking up; nil for one that does.
    public static func numeric(_ name: InternetName, isPassive: Bool) -> [InternetSocketAddress]? {
        try? resolve(name, isPassive, flags: AI_NUMERICHOST | AI_NUMERICSERV).get()
    }

    /// - Parameter isPassive: the address is one to listen at.
    private static func resolve(_ name: InternetName, _ isPassive: Bool, flags: CInt) -> Outcome {
        guard let family = name.family else { return .failure(NameError(name: name.text, reason: "ipv4=off,ipv6=off")) }
        guard isPassive || !name.host.isEmpty else {
            return .failure(NameError(name: name.text, reason: String(cString: gai_strerror(EAI_NONAME))))
        }
        var hints = addrinfo()
        hints.ai_flags = flags | (isPassive ? AI_PASSIVE : 0) | (name.isNumeric ? AI_NUMERICHOST | AI_NUMERICSERV : 0)
        hints.ai_family = family
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name.host.isEmpty ? nil : name.host, name.port, &hints, &list)
        guard code == 0 else {
            return .failure(NameError(name: name.text, reason: String(cString: gai_strerror(code))))
        }
        defer { freeaddrinfo(list) }
        var found: [InternetSocketAddress] = []
        var next = list
        while let entry = next {
            if let address = entry.pointee.ai_addr, let value = read(address, entry.pointee.ai_addrlen) {
                found.append(value)
            }
            next = entry.pointee.ai_next
        }
        return .success(found)
    }

    private static func read(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> InternetSocketAddress? {
        var storage = sockaddr_storage()
        let count = min(Int(length), MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutableBytes(of: &storage) { room in
            room.copyMemory(from: UnsafeRawBufferPointer(start: address, count: count))
        }
        return InternetSocketAddress(storage)
    }
}

/// A look-up under way on its own thread. Dropping it drops the answer; the thread ends by itself.
public final class PendingLookup {
    /// What the thread and its owner share.
    final class Box: Sendable {
        let name: InternetName
        let isPassive: Bool
        let answer = Mutex<NameLookup.Outcome?>(nil)
        let arrival: EventDescriptor

        init(_ name: InternetName, isPassive: Bool) throws(SystemError) {
            self.name = name
            self.isPassive = isPassive
            arrival = try EventDescriptor()
        }
    }

    private let box: Box
    private let reactor: Reactor
    private var watch: WatchID?

    /// - Parameters:
    ///   - name: what is looked up.
    ///   - isPassive: the address is one to listen at.
    ///   - reactor: where the answer arrives.
    ///   - done: called once, in a turn of `reactor`.
    public init(
        _ name: InternetName, isPassive: Bool, on reactor: Reactor, done: @escaping (NameLookup.Outcome) -> Void
    ) throws(SystemError) {
        let box = try Box(name, isPassive: isPassive)
        self.box = box
        self.reactor = reactor
        watch = try reactor.watch(box.arrival.raw, for: .readable) { [weak self] _ in
            self?.cancel()
            if let answer = box.answer.withLock({ $0 }) { done(answer) }
        }
        try Self.startThread(box)
    }

    deinit { cancel() }

    /// The answer is of no interest any more.
    public func cancel() {
        if let watch { reactor.remove(watch) }
        watch = nil
    }

    /// - Parameter stackSize: bytes.
    static func startThread(_ box: Box, stackSize: Int = 256 << 10) throws(SystemError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, stackSize)
        var thread = pthread_t()
        let held = Unmanaged.passRetained(box)
        let code = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                let box = Unmanaged<Box>.fromOpaque(argument).takeRetainedValue()
                let outcome = NameLookup.wait(for: box.name, isPassive: box.isPassive)
                box.answer.withLock { $0 = outcome }
                box.arrival.signal()
                return nil
            }, held.toOpaque())
        guard code == 0 else {
            held.release()
            throw SystemError(call: "pthread_create", code: code)
        }
    }
}
