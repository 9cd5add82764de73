// Memory in files: made, locked, sized, reserved, cut by somebody else.

import CLinux
import Glibc
import Linux
import TestSupport
import Testing

@Suite("memory in files")
struct MemoryFileTests {
    private static let size = 1 << 16

    private func file(_ path: String, _ change: (inout MemoryFile) -> Void = { _ in }) -> MemoryFile {
        var file = MemoryFile(.path(path), size: Self.size)
        change(&file)
        return file
    }

    private func failure(_ path: String, _ change: (inout MemoryFile) -> Void = { _ in }) -> MemoryFile.Failure? {
        do throws(MemoryFile.Failure) {
            _ = try file(path, change).open()
            return nil
        } catch { return error }
    }

    private func status(_ path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }

    @Test("what is written is in the file, which is the owner's alone and has room for all of it")
    func shared() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            let (memory, hasRoom) = try file(path).open()
            memory.bytes[5] = 7
            memory.bytes[Self.size - 1] = 9
            let found = try SmallFile.read(path, limit: Self.size + 1)
            #expect(found.count == Self.size && found[5] == 7 && found[Self.size - 1] == 9)
            #expect(memory.isShared && memory.size == Self.size)
            let facts = try #require(status(path))
            #expect(facts.st_mode & 0o777 == 0o600)
            if hasRoom { #expect(facts.st_blocks * 512 >= Self.size) }
            memory.discard()
            #expect(try SmallFile.read(path, limit: Self.size + 1) == [UInt8](repeating: 0, count: Self.size))
        }
    }

    @Test("a private mapping begins with the file's bytes and leaves them as they are")
    func privateMapping() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            try SmallFile.write([UInt8](repeating: 3, count: Self.size), to: path)
            for isReadOnly in [false, true] {
                let memory = try file(path) { ($0.isShared, $0.isReadOnly) = (false, isReadOnly) }.open().memory
                #expect(memory.bytes[0] == 3)
                memory.bytes[0] = 4
                memory.discard()
                #expect(memory.bytes[0] == 4 && !memory.isShared)
            }
            #expect(try SmallFile.read(path, limit: Self.size + 1) == [UInt8](repeating: 3, count: Self.size))
        }
    }

    @Test("in a directory, and as POSIX shared memory, the file has no name")
    func nameless() throws {
        try withTemporaryDirectory { directory in
            for place in [MemoryFile.Place.path(directory.path), .path(directory.path + "/"), .shared] {
                let memory = try MemoryFile(place, size: Self.size).open().memory
                memory.bytes[Self.size - 1] = 1
                var status = stat()
                #expect(fstat(memory.descriptor.raw, &status) == 0 && status.st_nlink == 0)
                #expect(status.st_size == Self.size && directory.entries == [])
            }
        }
    }

    @Test("offset and alignment: the bytes from there on, at an address that is a multiple")
    func offset() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            try SmallFile.write((0..<24 << 12).map { UInt8($0 >> 12) }, to: path)
            for alignment in [0, 4096, 1 << 21] {
                let memory = try file(path) { ($0.offset, $0.alignment) = (8 << 12, alignment) }.open().memory
                #expect(memory.offset == 8 << 12 && memory.bytes[0] == 8 && memory.bytes[Self.size - 1] == 23)
                if alignment > 0 { #expect(Int(bitPattern: memory.base) % alignment == 0) }
                try memory.populate()
            }
            #expect(failure(path) { $0.offset = 9 << 12 } == .tooShort(bytes: 24 << 12))
            #expect(status(path)?.st_size == 24 << 12)
        }
    }

    @Test("one that is too short stays as it is; an empty one grows")
    func length() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            try SmallFile.write([1, 2, 3], to: path)
            #expect(failure(path) == .tooShort(bytes: 3))
            #expect(try SmallFile.read(path) == [1, 2, 3])
            truncate(path, 0)
            #expect(failure(path) { $0.isReadOnly = true } == .tooShort(bytes: 0))
            #expect(failure(path) == nil)
            #expect(status(path)?.st_size == off_t(Self.size))
        }
    }

    @Test("what is no file of bytes, is not there or is a stranger's")
    func noFile() throws {
        try withTemporaryDirectory { directory in
            let pipe = directory.path + "/pipe"
            #expect(mkfifo(pipe, 0o600) == 0)
            #expect(failure(pipe) == .cannotMap(SystemError(call: "mmap", code: ENODEV)))
            #expect(failure("/dev/null") == .cannotMap(SystemError(call: "mmap", code: ENODEV)))
            for path in ["/no/such", "/nowhere/"] {
                guard case .cannotOpen(let error)? = failure(directory.path + path) else {
                    Issue.record("\(path) was opened")
                    continue
                }
                #expect(error.code == ENOENT)
            }
            #expect(directory.entries == ["pipe"])
        }
    }

    @Test("bytes that somebody else has as memory are refused, others of the same file are not")
    func locked() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            #expect(truncate(path, 0) != 0)
            try SmallFile.write([], to: path)
            truncate(path, off_t(2 * Self.size))
            var first: SharedMemory? = try file(path).open().memory
            #expect(failure(path) == .inUse)
            #expect(failure(path) { $0.offset = 4096 } == .inUse)
            #expect(failure(path) { ($0.isShared, $0.isReadOnly) = (false, true) } == .inUse)
            #expect(failure(path) { $0.offset = Self.size } == nil)
            withExtendedLifetime(first) {}
            first = nil
            // Those who only read share.
            let reader = try file(path) { ($0.isShared, $0.isReadOnly) = (false, true) }.open().memory
            #expect(failure(path) { ($0.isShared, $0.isReadOnly) = (false, true) } == nil)
            #expect(failure(path) == .inUse)
            withExtendedLifetime(reader) {}
        }
    }

    @Test("of an empty file nobody gets a part while another part is somebody's; later only what is used is locked")
    func lockedEmpty() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            let second: (inout MemoryFile) -> Void = { $0.offset = Self.size }
            try SmallFile.write([UInt8](repeating: 0, count: 2 * Self.size), to: path)
            let first = try file(path, second).open().memory
            // Cut by a stranger: it is empty, and still memory of the first.
            truncate(path, 0)
            #expect(failure(path) == .inUse)
            #expect(status(path)?.st_size == 0)
            withExtendedLifetime(first) {}
            for isShared in [true, false] {
                let name = "\(path)\(isShared)"
                let made = try file(name) { $0.isShared = isShared }.open().memory
                truncate(name, off_t(3 * Self.size))
                #expect(failure(name, second) == nil)
                let reads = failure(name) { ($0.isShared, $0.isReadOnly) = (false, true) }
                #expect(reads == (isShared ? .inUse : nil))
                withExtendedLifetime(made) {}
            }
        }
    }

    @Test("a file that was made for memory that cannot be is gone, one that was empty is empty")
    func failed() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            func open() -> MemoryFile.Failure? {
                do throws(MemoryFile.Failure) {
                    _ = try MemoryFile(.path(path), size: 1 << 50).open()
                    return nil
                } catch { return error }
            }
            #expect(open() != nil)
            #expect(directory.entries == [])
            try SmallFile.write([], to: path)
            #expect(open() != nil)
            #expect(status(path)?.st_size == 0)
        }
    }

    @Test("an error on the bus that is about no such file reaches who was asked about them before")
    func formerHandler() async {
        await #expect(processExitsWith: .exitCode(7)) {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { _ in _exit(7) }
            sigaction(SIGBUS, &action, nil)
            let file = FileDescriptor(owning: ne_memfd_create("guarded"))
            ftruncate(file.raw, 1 << 16)
            let memory = try SharedMemory(try file.duplicate(), size: 1 << 16)
            ftruncate(file.raw, 0)
            guard memory.bytes[0] == 0 else { _exit(1) }
            let empty = mmap(nil, 4096, PROT_READ, MAP_SHARED, ne_memfd_create("empty"), 0)
            _exit(empty?.load(as: UInt8.self) == 0 ? 2 : 3)
        }
    }

    @Test("a mapping of huge pages lies at a multiple of their size, whatever smaller alignment is asked for")
    func hugePages() throws {
        typealias Make = @convention(c) (UnsafePointer<CChar>, UInt32) -> CInt
        let make = try #require(dlsym(nil, "memfd_create").map { unsafeBitCast($0, to: Make.self) })
        // MFD_HUGETLB
        let file = FileDescriptor(owning: make("huge", 4))
        guard file.raw >= 0 else { return }
        let page = Int(ne_page_size(file.raw))
        ftruncate(file.raw, 2 * page)
        for _ in 0..<3 {
            do throws(SystemError) {
                let memory = try SharedMemory(try file.duplicate(), size: page, alignment: 1 << 16)
                #expect(Int(bitPattern: memory.base) % page == 0)
            } catch {
                // A machine without free huge pages has no room; the place is right.
                #expect(error.code == ENOMEM)
            }
        }
        #expect(throws: SystemError(call: "mmap", code: EINVAL, subject: "4096 bytes in pages of \(page)")) {
            _ = try SharedMemory(try file.duplicate(), size: 4096)
        }
    }

    @Test("a file that is cut while it is memory: zeros where it ended, a word about it, and no end")
    func cut() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/ram"
            let memory = try file(path).open().memory
            let reactor = try Reactor()
            var losses = 0
            let watch = try #require(try memory.watchLosses(on: reactor) { losses += 1 })
            for index in 0..<Self.size { memory.bytes[index] = 5 }
            truncate(path, 4096)
            #expect(memory.bytes[4095] == 5 && memory.bytes[8192] == 0 && memory.bytes[Self.size - 1] == 0)
            memory.bytes[8192] = 6
            #expect(memory.bytes[8192] == 6)
            try reactor.turn(maxWaitNanoseconds: 5_000_000_000)
            #expect(losses == 1)
            reactor.remove(watch)
        }
    }

    @Test("a memfd cannot be cut, and every page can be made in advance")
    func memfd() throws {
        let memory = try SharedMemory(name: "test", size: Self.size)
        memory.bytes[4096] = 8
        try memory.populate()
        #expect(memory.bytes[4096] == 8)
        #expect(try memory.watchLosses(on: try Reactor()) {} == nil)
        #expect(ftruncate(memory.descriptor.raw, 0) != 0)
    }

    @Test("memory that is not shared is seen by nobody who has its memfd")
    func privateMemfd() throws {
        for isShared in [true, false] {
            let memory = try SharedMemory(name: "test", size: Self.size, isShared: isShared)
            #expect(memory.isShared == isShared && memory.bytes[4096] == 0)
            memory.bytes[4096] = 8
            var byte: UInt8 = 1
            #expect(pread(memory.descriptor.raw, &byte, 1, 4096) == 1)
            #expect(byte == (isShared ? 8 : 0))
            try memory.populate()
            #expect(memory.bytes[4096] == 8)
        }
    }
}
