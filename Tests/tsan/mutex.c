/* mutex.c - LD_PRELOAD library that lets the thread sanitizer see Swift's Mutex on Linux.
 *
 *   clang -O1 -shared -fPIC -o mutex.so Tests/tsan/mutex.c
 *   LD_PRELOAD=./mutex.so PROGRAM, where PROGRAM was built with -sanitize=thread
 *
 * The fast path of Mutex is compiled into the program: its atomics are instrumented, and known. The slow path, taken
 * when two threads meet, is in libswiftSynchronization.so, which is not: who locks there has synchronized with nobody
 * as far as the sanitizer can tell, and everything under that lock is reported as a race. Test.swift:
 *
 *   import Synchronization
 *   final class Box: Sendable { let numbers = Mutex<[Int]>([]) }
 *   @main struct Test {
 *       static func main() async {
 *           let box = Box()
 *           await withTaskGroup(of: Void.self) { group in
 *               for _ in 0..<4 {
 *                   group.addTask { for number in 0..<20_000 { box.numbers.withLock { $0.append(number) } } }
 *               }
 *           }
 *       }
 *   }
 *
 * (swiftc -parse-as-library -sanitize=thread, Swift 6.3.1) is reported with two threads or more, and is not with this
 * library. A list of suppressions would do as well, but hide real races: a report names the closure that runs under the
 * lock, and not the lock. Here a race beside a Mutex is still found.
 *
 * Source: stdlib/public/Synchronization/Mutex/LinuxImpl.swift; sanitizer/tsan_interface.h. The fast path releases and
 * acquires the address of the handle's only word, which is the address used here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK_SLOW "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

typedef SWIFT void Lock(uint32_t thread, SELF void *handle);
typedef SWIFT bool TryLock(SELF void *handle);
typedef SWIFT void Unlock(SELF void *handle);

/* Absent in programs without the sanitizer, such as `swift` itself, which are preloaded with the rest. */
void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));

SWIFT void lock_slow(uint32_t thread, SELF void *handle) __asm__(LOCK_SLOW);
SWIFT bool try_lock_slow(SELF void *handle) __asm__(TRY_LOCK_SLOW);
SWIFT void unlock_slow(SELF void *handle) __asm__(UNLOCK_SLOW);

SWIFT void lock_slow(uint32_t thread, SELF void *handle) {
    ((Lock *)dlsym(RTLD_NEXT, LOCK_SLOW))(thread, handle);
    if (__tsan_acquire) __tsan_acquire(handle);
}

SWIFT bool try_lock_slow(SELF void *handle) {
    bool is_locked = ((TryLock *)dlsym(RTLD_NEXT, TRY_LOCK_SLOW))(handle);
    if (is_locked && __tsan_acquire) __tsan_acquire(handle);
    return is_locked;
}

SWIFT void unlock_slow(SELF void *handle) {
    if (__tsan_release) __tsan_release(handle);
    ((Unlock *)dlsym(RTLD_NEXT, UNLOCK_SLOW))(handle);
}
