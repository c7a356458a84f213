use super::*;

/// One behaviour, two stores.
async fn behaves(kv: &dyn Kv) {
    assert_eq!(kv.get("auth/keys").await, Ok(None));
    assert_eq!(kv.put_if("auth/keys", None, "a".into()).await, Ok(1));
    assert!(matches!(kv.put_if("auth/keys", None, "b".into()).await, Err(KvError::Conflict { .. })));
    assert!(matches!(kv.put_if("auth/keys", Some(2), "b".into()).await, Err(KvError::Conflict { .. })));
    assert_eq!(kv.put_if("auth/keys", Some(1), "b".into()).await, Ok(2));
    assert!(matches!(kv.put_if("other", Some(1), "b".into()).await, Err(KvError::Conflict { .. })));
    assert_eq!(kv.put_if("auth_keys%", None, "c".into()).await, Ok(1));
    assert_eq!(kv.put_if("auth/b", None, "d".into()).await, Ok(1));
    let listed = kv.list("auth/").await.expect("a list");
    let listed: Vec<_> = listed.iter().map(|(key, v)| (key.as_str(), v.version, v.value.as_str())).collect();
    assert_eq!(listed, [("auth/b", 1, "d"), ("auth/keys", 2, "b")]);
    assert_eq!((kv.delete("auth/b").await, kv.delete("auth/b").await), (Ok(true), Ok(false)));
    assert_eq!(kv.get("auth/b").await, Ok(None));
    assert!(matches!(kv.put_if("", None, String::new()).await, Err(KvError::TooLong { .. })));
    let long = "x".repeat(VALUE_MAX + 1);
    assert!(matches!(kv.put_if("long", None, long).await, Err(KvError::TooLong { .. })));
}

/// A folder of this test's own, gone afterwards.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("unisono-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn memory_behaves() {
    behaves(&MemoryKv::default()).await;
}

#[tokio::test]
async fn sqlite_behaves_and_remembers() {
    let folder = Folder::new("remembers");
    let path = folder.0.join("deep/node.sqlite");
    let kv = SqliteKv::open(&path).await.expect("opens");
    behaves(&kv).await;
    kv.close().await;
    let again = SqliteKv::open(&path).await.expect("opens again");
    let kept = again.get("auth/keys").await.expect("reads");
    assert_eq!(kept, Some(Versioned { version: 2, value: "b".into() }));
    again.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("private");
    let path = folder.0.join("node.sqlite");
    let kv = SqliteKv::open(&path).await.expect("opens");
    let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    kv.close().await;
}

/// The file as version 1 of the schema made it.
#[tokio::test]
async fn a_file_of_an_older_program_is_brought_up_to_date_and_keeps_its_values() {
    let folder = Folder::new("older");
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let path = folder.0.join("node.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("opens");
    for statement in [
        "CREATE TABLE kv (key TEXT PRIMARY KEY, version INTEGER NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
        "INSERT INTO kv VALUES ('keys/01020304', 7, '{}')",
        "PRAGMA user_version = 1",
    ] {
        sqlx::query(statement).execute(&pool).await.expect("writes");
    }
    pool.close().await;
    for _ in 0..2 {
        let kv = SqliteKv::open(&path).await.expect("brought up to date, once");
        let kept = kv.get("keys/01020304").await.expect("reads");
        assert_eq!(kept, Some(Versioned { version: 7, value: "{}".into() }));
        kv.close().await;
    }
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("opens");
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await.expect("reads");
    assert_eq!(version, 2);
    pool.close().await;
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused_in_words() {
    let folder = Folder::new("newer");
    let path = folder.0.join("node.sqlite");
    let kv = SqliteKv::open(&path).await.expect("opens");
    kv.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("opens");
    sqlx::query("PRAGMA user_version = 99").execute(&pool).await.expect("writes");
    pool.close().await;
    let refused = SqliteKv::open(&path).await.expect_err("too new").to_string();
    assert!(refused.contains("newer version"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_said_to_be_none() {
    let folder = Folder::new("garbage");
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let path = folder.0.join("node.sqlite");
    std::fs::write(&path, [7u8; 8_192]).expect("writes");
    assert!(matches!(SqliteKv::open(&path).await, Err(KvError::Backend { .. })));
}
