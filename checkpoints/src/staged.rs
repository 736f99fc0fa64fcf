//! Changes laid over a store's rows before they are written: a later change of the same group sees the
//! earlier ones.

use std::collections::BTreeMap;

use crate::row::{Name, Row};
use crate::store::StoreError;

/// Rows as they are on disk.
pub(crate) trait Rows {
    fn folder(&self) -> &str;
    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// All rows whose key begins with `prefix`.
    fn under(&self, prefix: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError>;
}

/// Rows with changes laid over them.
pub(crate) struct Staged<'a> {
    rows: &'a dyn Rows,
    changes: StagedRows,
}

/// Keys with their new values; `None` takes the row away.
pub(crate) type StagedRows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

impl<'a> Staged<'a> {
    pub(crate) fn over(rows: &'a dyn Rows) -> Self {
        Self { rows, changes: StagedRows::new() }
    }

    pub(crate) fn row(&self, name: &Name) -> Result<Option<Row>, StoreError> {
        let key = name.key();
        let value = match self.changes.get(&key) {
            Some(changed) => changed.clone(),
            None => self.rows.value(&key)?,
        };
        value
            .map(|value| Row::decode(name, &value).map_err(|why| damaged(self.rows.folder(), name, why)))
            .transpose()
    }

    /// The named rows whose key begins with `prefix`, in the order of their keys.
    pub(crate) fn under(&self, prefix: &[u8]) -> Result<Vec<(Name, Row)>, StoreError> {
        let mut values = self.rows.under(prefix)?;
        for (key, changed) in
            self.changes.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix))
        {
            // What an earlier call of the group took away is gone for the later ones.
            match changed {
                Some(value) => values.insert(key.clone(), value.clone()),
                None => values.remove(key),
            };
        }
        values
            .into_iter()
            .map(|(key, value)| {
                let name = Name::parse(&key).ok_or_else(|| StoreError::Damaged {
                    folder: self.rows.folder().to_owned(),
                    row: nameless(&key),
                    why: "its key cannot be read".to_owned(),
                })?;
                let row =
                    Row::decode(&name, &value).map_err(|why| damaged(self.rows.folder(), &name, why))?;
                Ok((name, row))
            })
            .collect()
    }

    pub(crate) fn put(&mut self, name: &Name, row: &Row) {
        self.changes.insert(name.key(), Some(row.encode(name)));
    }

    pub(crate) fn delete(&mut self, name: &Name) {
        self.changes.insert(name.key(), None);
    }

    pub(crate) fn into_changes(self) -> StagedRows {
        self.changes
    }
}

pub(crate) fn damaged(folder: &str, name: &Name, why: String) -> StoreError {
    StoreError::Damaged { folder: folder.to_owned(), row: name.to_string(), why }
}

/// What a row is called whose key says nothing.
pub(crate) fn nameless(key: &[u8]) -> String {
    format!("the row under key {}", key.escape_ascii())
}
