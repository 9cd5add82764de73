// Memory objects at run time: made in the order of the command line, joined to guest memory, looked after, and given
// back. What a file does is Linux's; here are QEMU's words for what goes wrong with it.

import Glibc
import Linux
import Virtio

/// Guest memory and the objects it lies in.
final class MemoryObjects {
    let plan: MemoryPlan
    let guest: GuestMemory
    private var made: [Made]
    private var watches: [WatchID] = []
    private weak var reactor: Reactor?

    private typealias Made = (backend: MemoryBackend, memory: SharedMemory)

    /// - Parameter warn: takes what is not as the command line asked, and does not stand in the way.
    init(_ plan: MemoryPlan, warn: (String) -> Void = { _ in }) throws(EmulationError) {
        self.plan = plan
        var made: [Made] = []
        do throws(EmulationError) {
            for backend in plan.objects { made.append((backend, try Self.make(backend, warn))) }
            guest = try Self.join(plan, made)
        } catch {
            for one in made { Self.release(one) }
            throw error
        }
        self.made = made
    }

    private static func join(_ plan: MemoryPlan, _ made: [Made]) throws(EmulationError) -> GuestMemory {
        let parts = plan.used.compactMap { id in made.first { $0.backend.id == id }?.memory }
        do throws(VirtioError) {
            return parts.isEmpty ? try GuestMemory(size: Int(plan.size)) : try GuestMemory(inARow: parts)
        } catch {
            throw EmulationError(text: "cannot make guest memory of \(Value.text(ofSize: plan.size)): \(error)")
        }
    }

    /// Ids of objects that are there.
    var ids: [String] { made.map(\.backend.id) }

    /// All objects, and what netemu made for the guest where none is.
    var backends: [MemoryBackend] {
        let own = MemoryBackend(type: MemoryKeys.memfd.title, id: "guest-ram", size: plan.size, isShared: true)
        return (plan.used.isEmpty ? [own] : []) + made.map(\.backend)
    }

    /// Removes an object that is not guest memory.
    /// - Returns: false when there is none of that name.
    func remove(_ id: String) throws(EmulationError) -> Bool {
        guard let index = made.firstIndex(where: { $0.backend.id == id }) else { return false }
        guard !plan.used.contains(id) else {
            throw EmulationError(text: "object '\(id)' is in use, can not be deleted")
        }
        Self.release(made.remove(at: index))
        return true
    }

    /// `lost` when pages of guest memory went while somebody used them, with what there is to say.
    func watch(on reactor: Reactor, _ lost: @escaping (EmulationError) -> Void) throws(EmulationError) {
        self.reactor = reactor
        for (backend, memory) in made where plan.used.contains(backend.id) {
            do throws(SystemError) {
                let watch = try memory.watchLosses(on: reactor) { lost(Self.loss(of: backend)) }
                if let watch { watches.append(watch) }
            } catch { throw EmulationError(text: "\(error)") }
        }
    }

    /// What there is to say of guest memory whose file is too short by now; nobody need have touched it yet.
    var loss: EmulationError? {
        made.first { plan.used.contains($0.backend.id) && !$0.memory.isWhole }.map { Self.loss(of: $0.backend) }
    }

    private static func loss(of backend: MemoryBackend) -> EmulationError {
        EmulationError(
            text: "guest memory in \(backend.place) is lost: somebody cut the file, or its file system is full")
    }

    /// At the end: nobody looks after it any more; what is in files is given back, where that was asked for.
    func close() {
        for watch in watches { reactor?.remove(watch) }
        watches = []
        for one in made { Self.release(one) }
    }

    private static func release(_ one: Made) {
        if one.backend.file?.isDiscarded == true { one.memory.discard() }
    }

    // MARK: making

    private static func make(_ backend: MemoryBackend, _ warn: (String) -> Void) throws(EmulationError) -> SharedMemory
    {
        guard let size = Int(exactly: backend.roundedSize), size <= 1 << 46 else {
            throw EmulationError(
                text: "cannot make \(backend.type) '\(backend.id)' of \(backend.size) bytes: too large")
        }
        let memory = try bytes(of: backend, size, warn)
        if !backend.isDumped { memory.advise(MADV_DONTDUMP) }
        if backend.isMerged, !memory.isShared { memory.advise(MADV_MERGEABLE) }
        return memory
    }

    private static func nameless(_ backend: MemoryBackend, _ size: Int) throws(EmulationError) -> SharedMemory {
        let memory: SharedMemory
        do throws(SystemError) {
            memory = try SharedMemory(name: backend.id, size: size, isShared: backend.isShared)
        } catch { throw EmulationError(text: "cannot make \(backend.type) '\(backend.id)': \(error)") }
        guard backend.isPopulated else { return memory }
        do throws(SystemError) { try memory.populate() } catch {
            throw EmulationError(text: backend.sentence(ofPreallocation: error))
        }
        return memory
    }

    private static func bytes(
        of backend: MemoryBackend, _ size: Int, _ warn: (String) -> Void
    ) throws(EmulationError) -> SharedMemory {
        guard let file = MemoryFile(backend, size: size) else { return try nameless(backend, size) }
        do throws(MemoryFile.Failure) {
            let (memory, hasRoom) = try file.open()
            if file.isReserved, !file.isReadOnly, !hasRoom {
                warn("\(backend.place): its file system reserves no room; should it be full later, netemu ends")
            }
            return memory
        } catch { throw EmulationError(error, backend) }
    }
}

extension MemoryBackend {
    /// QEMU rounds memory-backend-ram up to whole pages.
    fileprivate var roundedSize: UInt64 {
        let page = UInt64(GuestMemory.pageSize)
        return size % page == 0 ? size : size &+ (page &- size % page)
    }

    /// Where it lies, for sentences.
    fileprivate var place: String { file?.path ?? "POSIX shared memory" }

    fileprivate func sentence(ofPreallocation error: SystemError) -> String {
        "\(type) '\(id)': preallocating memory failed: \(error.reason)"
    }
}

extension MemoryFile {
    /// nil for objects that lie in no file.
    fileprivate init?(_ backend: MemoryBackend, size: Int) {
        if let file = backend.file {
            self.init(.path(file.path), size: size)
            // Checked with the command line.
            offset = Int(truncatingIfNeeded: file.offset)
            alignment = Int(truncatingIfNeeded: file.alignment)
            isReadOnly = file.isReadOnly
        } else {
            guard backend.type == MemoryKeys.shm.title else { return nil }
            self.init(.shared, size: size)
        }
        isShared = backend.isShared && !isReadOnly
        isReserved = backend.isReserved
        isPopulated = backend.isPopulated
    }
}

extension EmulationError {
    fileprivate init(_ failure: MemoryFile.Failure, _ backend: MemoryBackend) {
        let (place, size) = (backend.place, Value.text(ofSize: backend.size))
        var hints: [String] = []
        let text: String
        switch failure {
        case .cannotOpen(let error):
            text =
                backend.file == nil
                ? "failed to create POSIX shared memory: \(error.reason)"
                : "can't open backing store \(place) for guest RAM: \(error.reason)"
            if [EACCES, EROFS].contains(error.code), !backend.isShared {
                hints = ["With readonly=on,rom=off there the file is only read"]
            }
        case .cannotMap(let error): text = "unable to map backing store for guest RAM: \(error.reason)"
        case .tooShort(let bytes):
            let hex = ConfigurationBuilder.hex
            text =
                "\(backend.id) backing store size \(hex(UInt64(bytes))) is too small for 'size' option "
                + "\(hex(backend.size)) plus 'offset' option \(hex(backend.file?.offset ?? 0))"
        case .inUse:
            text = "\(place) is guest memory already"
            hints = ["Choose another file, or a directory: in it each has a file of its own"]
        case .cannotGrow(let error):
            text = "\(place) cannot be made \(backend.size) bytes long: \(error.reason)"
        case .noRoom(let error):
            text = "\(place) has no room for \(size) of guest memory: \(error.reason)"
            let lazy = backend.isPopulated ? "reserve=off,prealloc=off" : "reserve=off"
            hints = ["With \(lazy) there room is taken when the guest needs it; when there is none, netemu ends"]
        case .cannotPopulate(let error): text = backend.sentence(ofPreallocation: error)
        }
        self.init(text: text, hints: hints)
    }
}
