//! Rows of CSV and JSON files as a table, of which a query reads its columns.

use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::stream::FileStream;

/// Plan of a scan, or the error of making it.
type Planned = Result<Arc<dyn ExecutionPlan>, DataFusionError>;

/// Table of the rows of a stream. Values of CSV columns that a query does not use are not converted.
#[derive(Debug)]
pub(super) struct FileTable(pub FileStream);

impl FileTable {
    fn plan(&self, projection: Option<&Vec<usize>>, limit: Option<usize>) -> Planned {
        let columns = projection.map_or(&[][..], Vec::as_slice);
        // A reader counts rows by a column.
        let read = if columns.is_empty() { &[0] } else { columns };
        let (stream, projection) = match projection.and_then(|_| self.0.select(read)) {
            Some(selected) => (selected, projection.filter(|columns| columns.is_empty())),
            None => (self.0.clone(), projection),
        };
        let (schema, stream) = (stream.schema_ref(), Arc::new(stream) as Arc<dyn PartitionStream>);
        let plan = StreamingTableExec::try_new(schema, vec![stream], projection, None, false, limit)?;
        Ok(Arc::new(plan))
    }
}

impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema_ref()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    // The signature that `async_trait` gives the trait's function.
    fn scan<'table, 'session, 'columns, 'filters, 'plan>(
        &'table self,
        _: &'session dyn Session,
        projection: Option<&'columns Vec<usize>>,
        _: &'filters [Expr],
        limit: Option<usize>,
    ) -> Pin<Box<dyn Future<Output = Planned> + Send + 'plan>>
    where
        'table: 'plan,
        'session: 'plan,
        'columns: 'plan,
        'filters: 'plan,
        Self: 'plan,
    {
        Box::pin(std::future::ready(self.plan(projection, limit)))
    }
}
